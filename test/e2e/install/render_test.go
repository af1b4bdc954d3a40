// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
)

const namespace = "sandbox-system"

// variants are the folders of artifacts that install a whole server.
var variants = []string{"single", "ha"}

// rendered is what kustomize makes of a folder: typed objects where client-go knows the
// type, decoded without mercy for unknown fields.
type rendered struct {
	objects []*unstructured.Unstructured
	typed   []runtime.Object
}

func render(t *testing.T, dir string) rendered {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), checkout(t).Bin(binaries.Kubectl), "kustomize", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err, "kubectl kustomize %s", dir)
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	all := rendered{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(out)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		object := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal(doc, &object.Object))
		all.objects = append(all.objects, object)
		if !scheme.Scheme.Recognizes(object.GroupVersionKind()) {
			continue
		}
		typed, _, err := strict.Decode(doc, nil, nil)
		require.NoError(t, err, "%s %s", object.GetKind(), object.GetName())
		all.typed = append(all.typed, typed)
	}
}

func artifacts(t *testing.T, name string) rendered {
	t.Helper()
	return render(t, checkout(t).Join("artifacts", name))
}

func checkout(t *testing.T) binaries.Root {
	t.Helper()
	root, err := binaries.FindRoot(".")
	require.NoError(t, err)
	if _, err := os.Stat(root.Bin(binaries.Kubectl)); err != nil {
		t.Skipf("SKIPPED: there is no %s: run `make binaries`", filepath.Join("bin", binaries.Kubectl))
	}
	return root
}

// of returns the objects of one type.
func of[T runtime.Object](r rendered) []T {
	var found []T
	for _, object := range r.typed {
		if one, ok := object.(T); ok {
			found = append(found, one)
		}
	}
	return found
}

// workload is a Deployment or StatefulSet.
type workload struct {
	name     string
	replicas int
	template corev1.PodTemplateSpec
	// claims are the volumes that each Pod gets.
	claims []corev1.PersistentVolumeClaim
}

func workloads(r rendered) map[string]workload {
	found := map[string]workload{}
	for _, d := range of[*appsv1.Deployment](r) {
		found[d.Name] = fromDeployment(d)
	}
	for _, s := range of[*appsv1.StatefulSet](r) {
		found[s.Name] = fromStatefulSet(s)
	}
	return found
}

func fromDeployment(d *appsv1.Deployment) workload {
	return workload{name: d.Name, replicas: int(*d.Spec.Replicas), template: d.Spec.Template}
}

func fromStatefulSet(s *appsv1.StatefulSet) workload {
	return workload{name: s.Name, replicas: int(*s.Spec.Replicas), template: s.Spec.Template, claims: s.Spec.VolumeClaimTemplates}
}

// container is the only one of the Pod.
func (w workload) container() corev1.Container { return w.template.Spec.Containers[0] }
