// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// foreign is an object of somebody else with a name that a Sandbox "dev" needs.
type foreign struct {
	sandbox *v1beta1.Sandbox
	make    func(*harness.Space) error
	// read returns the object once it is what it is meant to become.
	read func(*harness.Space) (any, error)
	says string
}

func theirPod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"theirs": "yes", v1beta1.SandboxNameLabel: "dev", v1beta1.SandboxLabel: "true"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: harness.Image}}},
	}
}

var foreigners = map[string]foreign{
	"pod": {
		sandbox: harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService),
		make: func(ns *harness.Space) error {
			_, err := ns.Pods().Create(ns.T.Context(), theirPod("dev"), metav1.CreateOptions{})
			return err
		},
		read: func(ns *harness.Space) (any, error) {
			pod, err := ns.Pods().Get(ns.T.Context(), "dev", metav1.GetOptions{})
			if err == nil && pod.Status.Phase != corev1.PodRunning {
				err = fmt.Errorf("it is %s", pod.Status.Phase)
			}
			return pod, err
		},
		says: `Pod "dev"`,
	},
	"disk": {
		sandbox: harness.Sandbox("dev", harness.WithDisk("data")),
		make: func(ns *harness.Space) error {
			disk := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-dev"}, Spec: harness.DiskSpec()}
			_, err := ns.Disks().Create(ns.T.Context(), disk, metav1.CreateOptions{})
			return err
		},
		read: func(ns *harness.Space) (any, error) {
			disk, err := ns.Disks().Get(ns.T.Context(), "data-dev", metav1.GetOptions{})
			if err == nil && disk.Status.Phase != corev1.ClaimBound {
				err = fmt.Errorf("it is %s", disk.Status.Phase)
			}
			return disk, err
		},
		says: `PersistentVolumeClaim "data-dev"`,
	},
	"own-service": {
		sandbox: harness.Sandbox("dev", harness.WithService),
		make:    func(ns *harness.Space) error { return createService(ns, "dev") },
		read: func(ns *harness.Space) (any, error) {
			return ns.Services().Get(ns.T.Context(), "dev", metav1.GetOptions{})
		},
		says: `Service "dev"`,
	},
	"shared-service": {
		sandbox: harness.Sandbox("dev"),
		make:    func(ns *harness.Space) error { return createService(ns, v1beta1.SharedServiceName) },
		read: func(ns *harness.Space) (any, error) {
			return ns.Services().Get(ns.T.Context(), v1beta1.SharedServiceName, metav1.GetOptions{})
		},
		says: `Service "sandboxes"`,
	},
}

func createService(ns *harness.Space, name string) error {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "theirs"}, Ports: []corev1.ServicePort{{Port: 80}}},
	}
	_, err := ns.Services().Create(ns.T.Context(), service, metav1.CreateOptions{})
	return err
}

// TestForeignObjects: NameConflict, and not a byte of the object changes, not even when
// the Sandbox is suspended and deleted.
func TestForeignObjects(t *testing.T) {
	t.Parallel()
	for name, tc := range foreigners {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := env.Space(t)
			require.NoError(t, tc.make(ns))
			before := settled(ns, tc)
			unchanged := func() error {
				after, err := encode(ns, tc)
				if err == nil && after != before {
					err = fmt.Errorf("it was\n%s\nand is\n%s", before, after)
				}
				return err
			}

			ns.Create(tc.sandbox)
			ns.WaitConditions("dev", "Ready=False/NameConflict", "Suspended=False/PodNotOwned")
			ns.WaitFor("dev", "names what is in the way", func(s *v1beta1.Sandbox) error { return readyMessage(s, tc.says) })
			ns.Eventually("an Event says so", func() error { return eventOf(ns, "dev", "NameConflict", tc.says) })
			if name != "pod" {
				assert.NoError(t, harness.Gone(ns.GetPod("dev")(t.Context())), "a Pod was made all the same")
			}
			assert.Empty(t, ns.Get("dev").Status.PodName)
			ns.Always("the foreign object stays as it was", 2*time.Second, unchanged)

			require.NoError(t, ns.Sandboxes().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
			ns.WaitGone("the Sandbox", ns.GetSandbox("dev"))
			ns.Always("the foreign object outlives the Sandbox", time.Second, unchanged)
		})
	}
}

// settled returns the object once those whose it is have not changed it for a while.
func settled(ns *harness.Space, tc foreign) string {
	ns.T.Helper()
	const quiet = 2 * time.Second
	last, since := "", time.Now()
	ns.Eventually("the foreign object is settled", func() error {
		current, err := encode(ns, tc)
		if current != last {
			last, since = current, time.Now()
		}
		if err == nil && time.Since(since) < quiet {
			err = fmt.Errorf("it changed at %v", since)
		}
		return err
	})
	return last
}

func encode(ns *harness.Space, tc foreign) (string, error) {
	object, err := tc.read(ns)
	if err != nil {
		return "", err
	}
	raw, err := json.Marshal(object)
	return string(raw), err
}

// TestForeignPodWhileSuspended: there is a Pod of that name, so it would be a lie to say
// that the Pod has gone.
func TestForeignPodWhileSuspended(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	_, err := ns.Pods().Create(t.Context(), theirPod("dev"), metav1.CreateOptions{})
	require.NoError(t, err)
	ns.Create(harness.Sandbox("dev", harness.Suspended))
	ns.WaitConditions("dev", "Ready=False/NameConflict", "Suspended=False/PodNotOwned")
	require.NoError(t, ns.Pods().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	ns.WaitSuspended("dev")
}

// TestRecoveryFromAConflict: once the name is free, the Sandbox runs.
func TestRecoveryFromAConflict(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	_, err := ns.Pods().Create(t.Context(), theirPod("dev"), metav1.CreateOptions{})
	require.NoError(t, err)
	ns.Create(harness.Sandbox("dev"))
	ns.WaitConditions("dev", "Ready=False/NameConflict")
	require.NoError(t, ns.Pods().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	ns.WaitReady("dev")
}

// TestSandboxRecreatedAtOnce: what the first one leaves does not get into the way of the second.
func TestSandboxRecreatedAtOnce(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	first := ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService))
	ns.WaitReady("dev")
	require.NoError(t, ns.Sandboxes().Delete(t.Context(), "dev", metav1.DeleteOptions{}))
	ns.WaitGone("the first Sandbox", ns.GetSandbox("dev"))
	second := ns.Create(harness.Sandbox("dev", harness.WithDisk("data"), harness.WithService))
	ns.WaitReady("dev")
	assert.NotEqual(t, first.UID, second.UID)
	assert.Equal(t, string(second.UID), ns.Pod("dev").Labels[v1beta1.SandboxUIDLabel])
	assert.Equal(t, string(second.UID), ns.Disk("data-dev").Labels[v1beta1.SandboxUIDLabel])
}
