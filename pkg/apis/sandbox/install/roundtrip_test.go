// SPDX-License-Identifier: Apache-2.0

package install

import (
	"math/rand"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	apifuzzer "k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/apitesting/roundtrip"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/fuzzer"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// kinds are what the API has beside lists.
var kinds = []string{"Sandbox", "SandboxTemplate", "SandboxWarmPool", "SandboxClaim", "SuspendOptions", "ResumeOptions"}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	Install(scheme)
	return scheme
}

// foreign are the kinds of API machinery that every group carries.
func foreign(scheme *runtime.Scheme) sets.Set[schema.GroupVersionKind] {
	found := sets.New[schema.GroupVersionKind]()
	for gvk, typ := range scheme.AllKnownTypes() {
		if !strings.HasPrefix(typ.PkgPath(), reflect.TypeFor[sandbox.Sandbox]().PkgPath()) {
			found.Insert(gvk)
		}
	}
	return found
}

func TestHubRoundTrips(t *testing.T) {
	roundtrip.RoundTripProtobufTestForAPIGroup(t, Install, fuzzer.Funcs)
}

func TestExternalRoundTrips(t *testing.T) {
	scheme := newScheme()
	codecs := serializer.NewCodecFactory(scheme)
	filler := apifuzzer.FuzzerFor(metafuzzer.Funcs, rand.NewSource(rand.Int63()), codecs)
	for gvk := range scheme.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal || foreign(scheme).Has(gvk) {
			continue
		}
		t.Run(gvk.Kind, func(t *testing.T) {
			roundtrip.RoundTripSpecificKind(t, gvk, scheme, codecs, filler, nil)
		})
	}
}

// Unstructured is what dynamic clients, CBOR and server-side apply see.
func TestUnstructuredRoundTrips(t *testing.T) {
	scheme := newScheme()
	roundtrip.RoundtripToUnstructured(t, scheme, fuzzer.Funcs, foreign(scheme), nil)
}

// The files in testdata/HEAD are what is stored and sent. A difference is a
// changed API: UPDATE_COMPATIBILITY_FIXTURE_DATA=true go test writes them anew.
// A release copies HEAD to a folder of its own, which never changes again.
func TestGoldenFiles(t *testing.T) {
	options := roundtrip.NewCompatibilityTestOptions(newScheme())
	for _, kind := range kinds {
		options.Kinds = append(options.Kinds, v1beta1.SchemeGroupVersion.WithKind(kind))
	}
	options.Complete(t).Run(t)
}

func TestEveryKindIsInstalled(t *testing.T) {
	scheme := newScheme()
	for _, version := range []schema.GroupVersion{v1beta1.SchemeGroupVersion, sandbox.SchemeGroupVersion} {
		for _, kind := range kinds {
			assert.True(t, scheme.Recognizes(version.WithKind(kind)), "%s in %s", kind, version)
		}
	}
	assert.Equal(t, []schema.GroupVersion{v1beta1.SchemeGroupVersion}, scheme.PrioritizedVersionsForGroup(sandbox.GroupName))
}

// Hub and external types must have the same memory layout, or conversions stop
// being casts and every request copies whole PodSpecs.
func TestHubHasTheFieldsOfTheExternalTypes(t *testing.T) {
	scheme := newScheme()
	for _, kind := range append(kinds, "SandboxList", "SandboxTemplateList", "SandboxWarmPoolList", "SandboxClaimList") {
		external := scheme.KnownTypes(v1beta1.SchemeGroupVersion)[kind]
		hub := scheme.KnownTypes(sandbox.SchemeGroupVersion)[kind]
		assertSameShape(t, kind, external, hub)
	}
}

func assertSameShape(t *testing.T, path string, external, hub reflect.Type) {
	t.Helper()
	if external == hub {
		return
	}
	if !assert.Equal(t, external.Kind(), hub.Kind(), path) || !assert.Equal(t, external.Name(), hub.Name(), path) {
		return
	}
	switch external.Kind() {
	case reflect.Struct:
		if !assert.Equal(t, fieldNames(external), fieldNames(hub), path) {
			return
		}
		for i := range external.NumField() {
			assertSameShape(t, path+"."+external.Field(i).Name, external.Field(i).Type, hub.Field(i).Type)
		}
	case reflect.Pointer, reflect.Slice, reflect.Map:
		assertSameShape(t, path, external.Elem(), hub.Elem())
	}
}

func fieldNames(typ reflect.Type) []string {
	var names []string
	for field := range typ.Fields() {
		names = append(names, field.Name)
	}
	return names
}
