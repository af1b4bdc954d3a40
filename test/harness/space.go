// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	typedv1beta1 "agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/typed/sandbox/v1beta1"
)

// endTimeout bounds what happens in a namespace after its test.
const endTimeout = 30 * time.Second

// Space is a namespace of one test. What fails in its methods fails the test.
type Space struct {
	*Env
	T testing.TB
	// Name of the namespace.
	Name string
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

func (e *Env) createNamespace(tb testing.TB) string {
	tb.Helper()
	prefix := notInNames.ReplaceAllString(strings.ToLower(strings.TrimPrefix(tb.Name(), "Test")), "-")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix[:min(len(prefix), 50)] + "-"}}
	created, err := e.Kube.CoreV1().Namespaces().Create(tb.Context(), namespace, metav1.CreateOptions{})
	require.NoError(tb, err)
	return created.Name
}

// end does not wait: the namespace goes while other tests run.
func (s *Space) end() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.T.Context()), endTimeout)
	defer cancel()
	if s.T.Failed() {
		s.dump(ctx)
		return
	}
	if err := s.Kube.CoreV1().Namespaces().Delete(ctx, s.Name, metav1.DeleteOptions{}); err != nil {
		s.T.Logf("deleting namespace %s: %v", s.Name, err)
	}
}

// For returns the same namespace for a subtest.
func (s *Space) For(tb testing.TB) *Space {
	tb.Helper()
	return &Space{Env: s.Env, T: tb, Name: s.Name}
}

// Sandboxes are those of the namespace.
func (s *Space) Sandboxes() typedv1beta1.SandboxInterface {
	return s.Client.SandboxV1beta1().Sandboxes(s.Name)
}

// Templates are the SandboxTemplates of the namespace.
func (s *Space) Templates() typedv1beta1.SandboxTemplateInterface {
	return s.Client.SandboxV1beta1().SandboxTemplates(s.Name)
}

// Pools are the SandboxWarmPools of the namespace.
func (s *Space) Pools() typedv1beta1.SandboxWarmPoolInterface {
	return s.Client.SandboxV1beta1().SandboxWarmPools(s.Name)
}

// Claims are the SandboxClaims of the namespace.
func (s *Space) Claims() typedv1beta1.SandboxClaimInterface {
	return s.Client.SandboxV1beta1().SandboxClaims(s.Name)
}

// Pods are those of the namespace.
func (s *Space) Pods() typedcorev1.PodInterface { return s.Kube.CoreV1().Pods(s.Name) }

// Disks are the PersistentVolumeClaims of the namespace.
func (s *Space) Disks() typedcorev1.PersistentVolumeClaimInterface {
	return s.Kube.CoreV1().PersistentVolumeClaims(s.Name)
}

// Services are those of the namespace.
func (s *Space) Services() typedcorev1.ServiceInterface { return s.Kube.CoreV1().Services(s.Name) }

// Create creates a Sandbox that must be accepted.
func (s *Space) Create(sandbox *v1beta1.Sandbox) *v1beta1.Sandbox {
	s.T.Helper()
	created, err := s.Sandboxes().Create(s.T.Context(), sandbox, metav1.CreateOptions{})
	require.NoError(s.T, err)
	return created
}

// Get returns a Sandbox that must exist.
func (s *Space) Get(name string) *v1beta1.Sandbox {
	s.T.Helper()
	sandbox, err := s.Sandboxes().Get(s.T.Context(), name, metav1.GetOptions{})
	require.NoError(s.T, err)
	return sandbox
}

// Pod returns a Pod that must exist.
func (s *Space) Pod(name string) *corev1.Pod {
	s.T.Helper()
	pod, err := s.Pods().Get(s.T.Context(), name, metav1.GetOptions{})
	require.NoError(s.T, err)
	return pod
}

// Disk returns a PersistentVolumeClaim that must exist.
func (s *Space) Disk(name string) *corev1.PersistentVolumeClaim {
	s.T.Helper()
	disk, err := s.Disks().Get(s.T.Context(), name, metav1.GetOptions{})
	require.NoError(s.T, err)
	return disk
}

// Service returns a Service that must exist.
func (s *Space) Service(name string) *corev1.Service {
	s.T.Helper()
	service, err := s.Services().Get(s.T.Context(), name, metav1.GetOptions{})
	require.NoError(s.T, err)
	return service
}

// Kubectl runs the real kubectl in the namespace, with stdin as its standard input, and
// returns all that it printed; in an error that is part of the message.
func (s *Space) Kubectl(stdin string, args ...string) (string, error) {
	s.T.Helper()
	out, err := s.Cluster.Kubectl(s.T.Context(), stdin, append(args, "--namespace", s.Name)...)
	return string(out), err
}

// MustKubectl is Kubectl that must succeed.
func (s *Space) MustKubectl(stdin string, args ...string) string {
	s.T.Helper()
	out, err := s.Kubectl(stdin, args...)
	require.NoError(s.T, err)
	return out
}
