// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/install"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// A folder of storedFiles has objects with every field set, as a release wrote
// them to etcd, and what they say as JSON. It never changes again.
//
//	STORED_VERSION=v0.2.0 go test ./pkg/registry -run TestFreezeStoredFiles
//
// makes that of a new release.
const (
	storedFiles = "testdata/stored"
	// filled are objects of today with every field set.
	filled = "../apis/sandbox/install/testdata/HEAD"
	// envelope begins every object that is stored as protobuf.
	envelope = "k8s\x00"
	// unknownField is a number that no message of ours uses.
	unknownField = 999
)

var storedKinds = map[string]string{
	"Sandbox": "sandboxes", "SandboxTemplate": "sandboxtemplates", "SandboxWarmPool": "sandboxwarmpools", "SandboxClaim": "sandboxclaims",
}

func storageKey(resource string, obj metav1.Object) string {
	return "/registry/" + sandbox.GroupName + "/" + resource + "/" + obj.GetNamespace() + "/" + obj.GetName()
}

func asJSON(t *testing.T, obj runtime.Object) string {
	t.Helper()
	scheme := runtime.NewScheme()
	install.Install(scheme)
	raw, err := runtime.Encode(serializer.NewCodecFactory(scheme).LegacyCodec(v1beta1.SchemeGroupVersion), obj)
	require.NoError(t, err)
	return string(raw)
}

// meant is what a frozen file says, and where in etcd it was.
func meant(t *testing.T, directory, kind string) (string, metav1.Object) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(directory, kind+".json"))
	require.NoError(t, err)
	where := &metav1.PartialObjectMetadata{}
	require.NoError(t, json.Unmarshal(text, where))
	return string(text), where
}

// stores puts bytes into etcd behind the server's back, and returns what is read of them.
func (s *served) stores(resource string, where metav1.Object, raw []byte) runtime.Object {
	s.Helper()
	_, err := s.etcd.Put(s.ctx, storageKey(resource, where), string(raw))
	require.NoError(s, err)
	ctx := request.WithNamespace(s.on(resource), where.GetNamespace())
	obj, err := s.storage[resource].(rest.Getter).Get(ctx, where.GetName(), &metav1.GetOptions{})
	require.NoError(s, err)
	return obj
}

// found returns the bytes that etcd has.
func (s *served) found(resource string, where metav1.Object) []byte {
	s.Helper()
	response, err := s.etcd.KV.Get(s.ctx, storageKey(resource, where))
	require.NoError(s, err)
	require.Len(s, response.Kvs, 1)
	return response.Kvs[0].Value
}

func TestStoredFilesOfEveryReleaseAreRead(t *testing.T) {
	releases, err := filepath.Glob(filepath.Join(storedFiles, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, releases)
	s := serve(t)
	for _, release := range releases {
		for kind, resource := range storedKinds {
			t.Run(filepath.Base(release)+"/"+kind, func(t *testing.T) {
				text, where := meant(t, release, kind)
				frozen, err := os.ReadFile(filepath.Join(release, kind+".pb"))
				require.NoError(t, err)
				obj := s.stores(resource, where, frozen)
				accessor, err := meta.Accessor(obj)
				require.NoError(t, err)
				accessor.SetResourceVersion("")
				assert.JSONEq(t, text, asJSON(t, obj))

				again, err := runtime.Encode(s.codec, obj)
				require.NoError(t, err)
				assert.Equal(t, frozen, again, "a replica of that release must find all that it knows, and nothing that it would drop: docs/operations/upgrade.md")
			})
		}
	}
}

// withUnknown is a stored object as a newer version would write it: with fields of
// the object and of its spec that today's code does not know.
func withUnknown(t *testing.T, stored []byte) []byte {
	t.Helper()
	require.Equal(t, envelope, string(stored[:len(envelope)]))
	unknown := &runtime.Unknown{}
	require.NoError(t, unknown.Unmarshal(stored[len(envelope):]))
	const varint, message, specField = 0, 2, 2
	field := binary.AppendUvarint(binary.AppendUvarint(nil, unknownField<<3|varint), 7)
	unknown.Raw = append(unknown.Raw, field...)
	// A message that comes twice is one message with the fields of both.
	unknown.Raw = append(unknown.Raw, byte(specField<<3|message), byte(len(field)))
	unknown.Raw = append(unknown.Raw, field...)
	raw, err := unknown.Marshal()
	require.NoError(t, err)
	return append([]byte(envelope), raw...)
}

func hasUnknown(stored []byte) bool {
	return len(stored) > len(envelope) && bytes.Contains(stored, binary.AppendUvarint(nil, unknownField<<3))
}

// TestUnknownFieldsAreReadAndDropped says what the rule in docs/operations/upgrade.md is
// for: whoever does not know a field reads past it, and drops it when it writes.
func TestUnknownFieldsAreReadAndDropped(t *testing.T) {
	s := withPool(t)
	s.warm("box")
	_, err := s.claim("sandboxclaims", "", newClaim("mine"))
	require.NoError(t, err)
	names := map[string]string{"sandboxes": "box", "sandboxtemplates": "python", "sandboxwarmpools": "python", "sandboxclaims": "mine"}
	for resource, name := range names {
		t.Run(resource, func(t *testing.T) {
			where := &metav1.ObjectMeta{Namespace: namespace, Name: name}
			before, err := meta.Accessor(read[runtime.Object](s, resource, name))
			require.NoError(t, err)
			s.stores(resource, where, withUnknown(t, s.found(resource, where)))
			require.True(t, hasUnknown(s.found(resource, where)), "the test can tell")
			after := read[runtime.Object](s, resource, name)
			accessor, err := meta.Accessor(after)
			require.NoError(t, err)
			accessor.SetResourceVersion(before.GetResourceVersion())
			assert.Equal(t, before, after, "nothing else is read differently")

			_, err = update(s, resource, name, func(obj runtime.Object) {
				changed, err := meta.Accessor(obj)
				require.NoError(t, err)
				changed.SetAnnotations(map[string]string{"changed": "yes"})
			})
			require.NoError(t, err)
			assert.False(t, hasUnknown(s.found(resource, where)))
		})
	}
}

func TestFreezeStoredFiles(t *testing.T) {
	version := os.Getenv("STORED_VERSION")
	if version == "" {
		t.Skip("STORED_VERSION names no release: nothing to freeze")
	}
	directory := filepath.Join(storedFiles, version)
	require.NoDirExists(t, directory, "what a release has stored never changes")
	require.NoError(t, os.MkdirAll(directory, 0o755))
	s := serve(t)
	for kind := range storedKinds {
		text, err := os.ReadFile(filepath.Join(filled, sandbox.GroupName+".v1beta1."+kind+".json"))
		require.NoError(t, err)
		obj, err := runtime.Decode(s.codec, text)
		require.NoError(t, err)
		accessor, err := meta.Accessor(obj)
		require.NoError(t, err)
		accessor.SetResourceVersion("") // neither is stored
		accessor.SetSelfLink("")
		stored, err := runtime.Encode(s.codec, obj)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(directory, kind+".pb"), stored, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(directory, kind+".json"), []byte(asJSON(t, obj)), 0o644))
	}
}
