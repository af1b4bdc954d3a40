// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/cert"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// leads makes the Service lead to processes of this machine.
const leads = `patches:
- target: {kind: Service, name: sandbox-apiserver}
  patch: '[{"op": "replace", "path": "/spec", "value": {"type": "ExternalName", "externalName": "localhost"}}]'
- target: {kind: APIService}
  patch: '[{"op": "replace", "path": "/spec/service/port", "value": %d}]'
`

// TestStory follows the pages as a new user would.
func TestStory(t *testing.T) {
	needRoot(t)
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) {
			s := newStory(t, variant)
			s.install(commands(t, installPage))
			s.uninstall(commands(t, uninstallPage))
		})
	}
}

// story is one user with one cluster.
type story struct {
	t       *testing.T
	variant string
	dir     string
	pods    *pods
	own     versioned.Interface
	// seen is what must not change any more.
	seen map[string]types.UID
}

func newStory(t *testing.T, variant string) *story {
	t.Helper()
	r := artifacts(t, variant)
	own, err := versioned.NewForConfig(cluster.RESTConfig())
	require.NoError(t, err)
	s := &story{t: t, variant: variant, dir: unpack(t, checkout(t)), pods: newPods(t, r), own: own}
	// The data that a story leaves when it fails would keep the next one's server from serving.
	t.Cleanup(func() {
		for _, folder := range []string{variant, "namespace"} {
			_, err := cluster.Kubectl(context.Background(), "", "delete", "--ignore-not-found", "-k", checkout(t).Join("artifacts", folder))
			assert.NoError(t, err)
		}
	})
	return s
}

// run is a block of a page, and what the world does about it.
func (s *story) run(block string) {
	s.t.Helper()
	shell(s.t, s.dir, strings.ReplaceAll(block, "artifacts/single", "artifacts/"+s.variant))
	if strings.Contains(block, ">install/kustomization.yaml") {
		s.append("install/kustomization.yaml", fmt.Sprintf(leads, s.pods.port))
	}
	if strings.Contains(block, "kubectl apply -k install") {
		s.pods.simulated()
		s.pods.follow()
	}
	if strings.Contains(block, "kubectl delete -k install") {
		s.pods.endAll()
	}
}

func (s *story) append(file, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, file)
	raw, err := os.ReadFile(path)
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(path, append(raw, text...), 0o644))
}

func (s *story) install(blocks []string) {
	s.t.Helper()
	const overlay, apply, wait, use, upgrade = 0, 1, 2, 3, 4
	require.Len(s.t, blocks, 5, installPage)
	for _, block := range []int{overlay, apply, wait, use} {
		s.run(blocks[block])
	}
	s.seen = s.existing()
	for _, what := range []string{"sandbox/dev", "pod/dev", "disk/workspace-dev"} {
		assert.NotEmpty(s.t, s.seen[what], what)
	}
	trusted := s.authorities()
	require.NotEmpty(s.t, trusted)

	s.run(blocks[upgrade])
	for _, w := range s.pods.applied() {
		assert.Equal(s.t, "example/sandbox-apiserver:v0.1.1", w.container().Image)
	}
	assert.Equal(s.t, trusted, s.authorities(), "what the server publishes is in no manifest")
	assert.Equal(s.t, s.seen, s.existing(), "an upgrade changes nobody's objects")
	s.run(blocks[use])
}

func (s *story) uninstall(blocks []string) {
	s.t.Helper()
	const remove, again, wait, sandboxes, leftovers, data = 0, 1, 2, 3, 4, 5
	require.Len(s.t, blocks, 6, uninstallPage)
	s.run(blocks[remove])
	kept := s.kept()
	assert.NotEmpty(s.t, kept)
	harness.Always(s.t, "Pods and disks outlive the server", 10*time.Second, func() error { return s.remain("pod/dev", "disk/workspace-dev") })

	s.run(blocks[again])
	s.run(blocks[wait])
	assert.Equal(s.t, s.seen, s.existing(), "everything is back as it was")
	assert.Equal(s.t, kept, s.kept())

	s.run(blocks[sandboxes])
	assert.Equal(s.t, kept, s.kept(), "data of the server go only with the namespace")
	s.gone("pod/dev", "disk/workspace-dev")
	s.run(blocks[leftovers])
	s.gone("service/sandboxes")

	s.run(blocks[data])
	_, err := s.pods.kube.CoreV1().Namespaces().Get(s.t.Context(), namespace, metav1.GetOptions{})
	assert.True(s.t, apierrors.IsNotFound(err), "%v", err)
}

// existing are the user's objects, those of our API among them.
func (s *story) existing() map[string]types.UID {
	s.t.Helper()
	found := s.children()
	// kube-apiserver hears of a replaced server a moment after it is ready.
	harness.Eventually(s.t, "sandbox/dev is served", func() error {
		sandbox, err := s.own.SandboxV1beta1().Sandboxes("default").Get(s.t.Context(), "dev", metav1.GetOptions{})
		found["sandbox/dev"] = sandbox.GetUID()
		return err
	})
	return found
}

// children are the user's objects in the main cluster.
func (s *story) children() map[string]types.UID {
	s.t.Helper()
	ctx, core, found := context.Background(), s.pods.kube.CoreV1(), map[string]types.UID{}
	if pod, err := core.Pods("default").Get(ctx, "dev", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		require.NoError(s.t, err)
		found["pod/dev"] = pod.UID
	}
	if disk, err := core.PersistentVolumeClaims("default").Get(ctx, "workspace-dev", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		require.NoError(s.t, err)
		found["disk/workspace-dev"] = disk.UID
	}
	if service, err := core.Services("default").Get(ctx, "sandboxes", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		require.NoError(s.t, err)
		found["service/sandboxes"] = service.UID
	}
	return found
}

func (s *story) remain(names ...string) error {
	found := s.children()
	for _, name := range names {
		if found[name] != s.seen[name] {
			return fmt.Errorf("%s had UID %s and has %q", name, s.seen[name], found[name])
		}
	}
	return nil
}

// gone waits: a disk outlives its deletion by a moment.
func (s *story) gone(names ...string) {
	s.t.Helper()
	harness.Eventually(s.t, fmt.Sprintf("%v are gone", names), func() error {
		for _, name := range names {
			if s.remain(name) == nil {
				return fmt.Errorf("%s is there", name)
			}
		}
		return nil
	})
}

// kept are the server's own data: volumes and Secrets of its namespace.
func (s *story) kept() map[string]types.UID {
	s.t.Helper()
	ctx, core, found := s.t.Context(), s.pods.kube.CoreV1(), map[string]types.UID{}
	claims, err := core.PersistentVolumeClaims(namespace).List(ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	for i := range claims.Items {
		found["claim/"+claims.Items[i].Name] = claims.Items[i].UID
	}
	secrets, err := core.Secrets(namespace).List(ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	for i := range secrets.Items {
		found["secret/"+secrets.Items[i].Name] = secrets.Items[i].UID
	}
	return found
}

// authorities are those that kube-apiserver trusts the server by: the certificates of
// the published bundle, without the comment that moves connections.
func (s *story) authorities() []byte {
	s.t.Helper()
	out, err := cluster.Kubectl(s.t.Context(), "", "get", "apiservice", local.APIServiceName, "-o", "json")
	require.NoError(s.t, err)
	var object struct {
		Spec struct {
			CABundle []byte `json:"caBundle"`
		} `json:"spec"`
	}
	require.NoError(s.t, json.Unmarshal(out, &object))
	certificates, err := cert.ParseCertsPEM(object.Spec.CABundle)
	require.NoError(s.t, err)
	encoded, err := cert.EncodeCertificates(certificates...)
	require.NoError(s.t, err)
	return encoded
}
