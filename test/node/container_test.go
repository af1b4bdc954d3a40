// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// TestContainer: a Sandbox is a process that answers, with logs, exec, and a host name.
func TestContainer(t *testing.T) {
	ns := story(t)
	t.Parallel()
	start(ns, agent("dev"))

	assert.Equal(t, "dev", get(ns, "dev", "/hostname"))
	assert.Equal(t, "dev\n", inside(ns, "", "dev", "hostname"))
	assert.Equal(t, "6\n", inside(ns, "1+2+3\n", "dev", "sh", "-c", "read sum; echo $((sum))"))
	ns.Eventually("the container's output is in the logs", func() error {
		logs, err := ns.Kubectl("", "logs", "dev")
		if err == nil && !strings.Contains(logs, "agent dev serves on :8080") {
			err = fmt.Errorf("the logs are %q", logs)
		}
		return err
	})
}

// inside is what a command prints in the Sandbox's container.
func inside(ns *harness.Space, stdin, name string, command ...string) string {
	ns.T.Helper()
	out, err := ns.Cluster.Kubectl(ns.T.Context(), stdin, append([]string{"exec", "--namespace", ns.Name, "-i", name, "--"}, command...)...)
	require.NoError(ns.T, err)
	return string(out)
}

// TestNamesResolve: another Sandbox reaches it by its stable name, also when its address has changed.
func TestNamesResolve(t *testing.T) {
	ns := story(t)
	t.Parallel()
	ns.Create(agent("client"))
	server := start(ns, agent("server"))
	ns.WaitReady("client")
	require.Equal(t, "server.sandboxes."+ns.Name+".svc.cluster.local", server.Status.ServiceFQDN)
	reach := func() {
		t.Helper()
		waitAnswer(ns, "client", fetch(server.Status.ServiceFQDN), "server")
		waitAnswer(ns, "client", fetch("server.sandboxes."+ns.Name+".svc"), "server")
	}
	reach()
	suspend(ns, "server")
	ns.Eventually("a suspended Sandbox's name leads nowhere", func() error {
		if answer, err := call(ns, "client", http.MethodGet, fetch(server.Status.ServiceFQDN), ""); err == nil {
			return fmt.Errorf("it answers %q", answer)
		}
		return nil
	})
	resumed := resume(ns, "server")
	require.Equal(t, server.Status.ServiceFQDN, resumed.Status.ServiceFQDN)
	reach()
}

// TestServiceOfItsOwn: the short name works as well, where the Sandbox asks for one.
func TestServiceOfItsOwn(t *testing.T) {
	ns := story(t)
	t.Parallel()
	start(ns, agent("server", harness.WithService))
	start(ns, agent("client"))
	waitAnswer(ns, "client", fetch("server"), "server")
}

// TestClusterAddress: a user's own Service with an address of the cluster leads to the Sandbox.
func TestClusterAddress(t *testing.T) {
	ns := story(t)
	t.Parallel()
	if !env.Cluster.Node.HasProxy() {
		skipped.Add(1)
		t.Skip("SKIPPED: another kube-proxy uses this machine")
	}
	start(ns, agent("server"))
	start(ns, agent("client"))
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "stable"}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{v1beta1.SandboxNameLabel: "server"},
		Ports:    []corev1.ServicePort{{Port: agentPort}},
	}}
	created, err := ns.Services().Create(t.Context(), service, metav1.CreateOptions{})
	require.NoError(t, err)
	waitAnswer(ns, "client", fetch(created.Spec.ClusterIP), "server")
	waitAnswer(ns, "client", fetch("stable"), "server")
}

// TestEnvironment: nothing of the cluster is in a container that has not asked for it.
func TestEnvironment(t *testing.T) {
	ns := story(t)
	t.Parallel()
	start(ns, agent("first", harness.WithService))
	start(ns, agent("plain"))
	start(ns, agent("trusted", func(s *v1beta1.Sandbox) {
		s.Spec.PodTemplate.Spec.AutomountServiceAccountToken = ptr.To(true)
	}))
	for _, line := range strings.Split(get(ns, "plain", "/environment"), "\n") {
		name, _, _ := strings.Cut(line, "=")
		// The cluster's own Service is in every container of every cluster.
		fromLinks := strings.Contains(name, "_SERVICE_") || strings.Contains(name, "_PORT")
		assert.False(t, fromLinks && !strings.HasPrefix(name, "KUBERNETES_"), "the variable of a Service: %s", line)
	}
	_, err := call(ns, "plain", http.MethodGet, "/files"+tokenFile, "")
	require.ErrorContains(t, err, "404 Not Found")
	assert.Len(t, strings.Split(get(ns, "trusted", "/files"+tokenFile), "."), 3, "not a token")
}

// TestDeletion: the container has the time it asked for, and takes what is its own along.
func TestDeletion(t *testing.T) {
	ns := story(t)
	t.Parallel()
	lasting := func(s *v1beta1.Sandbox) {
		harness.WithDisk("data")(s)
		withEnvironment("AGENT_LINGER", "2s")(s)
		withEnvironment("AGENT_GOODBYE", "/data/goodbye")(s)
		s.Spec.PodTemplate.Spec.TerminationGracePeriodSeconds = ptr.To(int64(20))
	}
	start(ns, agent("kept", lasting, harness.RetainingDisks, harness.WithService))
	start(ns, agent("lost", lasting))
	for _, name := range []string{"kept", "lost"} {
		require.NoError(t, ns.Sandboxes().Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
	for _, name := range []string{"kept", "lost"} {
		ns.WaitGone("Sandbox "+name, ns.GetSandbox(name))
		ns.WaitGone("Pod "+name, ns.GetPod(name))
	}
	ns.WaitGone("Service kept", ns.GetService("kept"))
	ns.WaitGone("disk data-lost", ns.GetDisk("data-lost"))

	// Who takes the disk that was kept finds what the container wrote after it was told to end.
	claim := corev1.Volume{Name: "kept", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: ns.Disk("data-kept").Name},
	}}
	start(ns, agent("reader", func(s *v1beta1.Sandbox) {
		spec := &s.Spec.PodTemplate.Spec
		spec.Volumes = append(spec.Volumes, claim)
		spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "kept", MountPath: "/kept"})
	}))
	assert.Equal(t, "goodbye", get(ns, "reader", "/files/kept/goodbye"))
}
