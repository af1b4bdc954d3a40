// SPDX-License-Identifier: Apache-2.0

package interning

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func podSpec(changes ...func(*corev1.PodSpec)) *corev1.PodSpec {
	spec := &corev1.PodSpec{
		InitContainers: []corev1.Container{{Name: "init", Image: "busybox"}},
		Containers: []corev1.Container{{
			Name: "main", Image: "python", Command: []string{"run"}, Args: []string{"a", "b"}, Env: []corev1.EnvVar{{Name: "A", Value: "1"}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}},
		}},
		Volumes: []corev1.Volume{{Name: "data"}},
	}
	for _, change := range changes {
		change(spec)
	}
	return spec
}

func TestPodSpec(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*corev1.PodSpec)
		shared bool
	}{
		"equal": {func(*corev1.PodSpec) {}, true},
		"written alike": {func(s *corev1.PodSpec) {
			s.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("0.1")
		}, true},
		"image":    {func(s *corev1.PodSpec) { s.Containers[0].Image = "ruby" }, false},
		"argument": {func(s *corev1.PodSpec) { s.Containers[0].Args = []string{"ab"} }, false},
		"variable": {func(s *corev1.PodSpec) { s.Containers[0].Env[0].Value = "2" }, false},
		"init":     {func(s *corev1.PodSpec) { s.InitContainers[0].Image = "ruby" }, false},
		"of one fingerprint": {func(s *corev1.PodSpec) {
			s.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("200m")
		}, false},
		"one container less": {func(s *corev1.PodSpec) { s.Containers = nil }, false},
		"volume":             {func(s *corev1.PodSpec) { s.Volumes[0].Name = "other" }, false},
		"host name":          {func(s *corev1.PodSpec) { s.Hostname = "other" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			i := New(10)
			first, second := podSpec(), podSpec(c.change)
			i.PodSpec(first)
			i.PodSpec(second)
			assert.Equal(t, c.shared, unsafe.SliceData(first.Volumes) == unsafe.SliceData(second.Volumes))
			assert.Equal(t, podSpec(), first)
			if !c.shared {
				assert.Equal(t, podSpec(c.change), second)
			}
		})
	}
}

func TestManagedFields(t *testing.T) {
	entries := func(text string) []metav1.ManagedFieldsEntry {
		return []metav1.ManagedFieldsEntry{{Manager: "one"}, {Manager: "two", FieldsV1: metav1.NewFieldsV1(text)}}
	}
	i := New(10)
	first, second, other := entries(`{"f:spec":{}}`), entries(`{"f:spec":{}}`), entries(`{"f:status":{}}`)
	for _, e := range [][]metav1.ManagedFieldsEntry{first, second, other} {
		i.ManagedFields(e)
	}
	assert.Same(t, first[1].FieldsV1, second[1].FieldsV1)
	assert.NotSame(t, first[1].FieldsV1, other[1].FieldsV1)
	assert.JSONEq(t, `{"f:status":{}}`, other[1].FieldsV1.GetRawString())
	assert.Equal(t, entries(`{"f:spec":{}}`), second)
}

func TestMemoryIsBounded(t *testing.T) {
	i := New(2)
	for _, image := range []string{"a", "b", "c", "d"} {
		i.PodSpec(podSpec(func(s *corev1.PodSpec) { s.Containers[0].Image = image }))
	}
	assert.Equal(t, 2, i.podSpecs.Len())
}

func BenchmarkPodSpec(b *testing.B) {
	i, spec := New(10), podSpec()
	i.PodSpec(podSpec())
	b.ReportAllocs()
	for b.Loop() {
		i.PodSpec(spec)
	}
}
