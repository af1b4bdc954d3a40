// SPDX-License-Identifier: Apache-2.0

package node

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const workFile = "/data/work"

var (
	killCycles = flag.Int("node.cycles", 3, "how often TestResumeUnderKill9 suspends and resumes; 20 is a good evening")
	killSeed   = flag.Uint64("node.seed", 0, "seed of TestResumeUnderKill9; 0 chooses one")
)

func suspend(ns *harness.Space, name string) {
	ns.T.Helper()
	_, err := ns.Sandboxes().Suspend(ns.T.Context(), name, &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	ns.WaitSuspended(name)
	ns.WaitGone("Pod "+name, ns.GetPod(name))
}

func resume(ns *harness.Space, name string) *v1beta1.Sandbox {
	ns.T.Helper()
	_, err := ns.Sandboxes().Resume(ns.T.Context(), name, &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	return ns.WaitReady(name)
}

// identity is what a Sandbox keeps, whatever happens to its Pod.
type identity struct {
	uid, disk  types.UID
	name, host string
	content    string
}

// identify reads it from the API and from inside.
func identify(ns *harness.Space, name string) identity {
	ns.T.Helper()
	sandbox := ns.Get(name)
	return identity{
		uid: sandbox.UID, disk: ns.Disk("data-" + name).UID, name: sandbox.Status.ServiceFQDN,
		host: get(ns, name, "/hostname"), content: get(ns, name, "/files"+workFile),
	}
}

// TestResumeWhereItLeftOff: no Pod while suspended, then another one with the same disk and name.
func TestResumeWhereItLeftOff(t *testing.T) {
	ns := story(t)
	t.Parallel()
	start(ns, agent("dev", harness.WithDisk("data")))
	put(ns, "dev", workFile, "half done")
	before, pod := identify(ns, "dev"), ns.Pod("dev").UID

	suspend(ns, "dev")
	assert.Equal(t, before.disk, ns.Disk("data-dev").UID)
	resume(ns, "dev")
	assert.Equal(t, before, identify(ns, "dev"))
	assert.NotEqual(t, pod, ns.Pod("dev").UID)
}

// TestResumeUnderKill9: the same, over and over, while the server is killed at any moment.
func TestResumeUnderKill9(t *testing.T) {
	ns := story(t)
	if *killSeed == 0 {
		*killSeed = rand.Uint64()
	}
	t.Logf("node.seed=%d", *killSeed)
	random := rand.New(rand.NewPCG(*killSeed, 0))
	start(ns, agent("dev", harness.WithDisk("data")))
	put(ns, "dev", workFile, "0")
	want, pod := identify(ns, "dev"), ns.Pod("dev").UID
	for cycle := 1; cycle <= *killCycles; cycle++ {
		want.content = fmt.Sprint(cycle)
		put(ns, "dev", workFile, want.content)
		begin := time.Now()
		for _, mode := range []v1beta1.SandboxOperatingMode{v1beta1.SandboxSuspended, v1beta1.SandboxRunning} {
			switchMode(ns, "dev", mode)
			killAfter(ns, time.Duration(random.Int64N(int64(3*time.Second))))
			if mode == v1beta1.SandboxSuspended {
				ns.WaitSuspended("dev")
				ns.WaitGone("Pod dev", ns.GetPod("dev"))
			}
		}
		ns.WaitReady("dev")
		waitAnswer(ns, "dev", "/hostname", "dev")
		require.Equal(t, want, identify(ns, "dev"), "cycle %d", cycle)
		replaced := ns.Pod("dev").UID
		require.NotEqual(t, pod, replaced)
		pod = replaced
		t.Logf("cycle %d took %v", cycle, time.Since(begin).Round(time.Millisecond))
	}
}

func switchMode(ns *harness.Space, name string, mode v1beta1.SandboxOperatingMode) {
	ns.T.Helper()
	var err error
	if mode == v1beta1.SandboxSuspended {
		_, err = ns.Sandboxes().Suspend(ns.T.Context(), name, &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	} else {
		_, err = ns.Sandboxes().Resume(ns.T.Context(), name, &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	}
	require.NoError(ns.T, err)
}

// killAfter kills the server in the middle of whatever it does then, and starts it again.
func killAfter(ns *harness.Space, delay time.Duration) {
	ns.T.Helper()
	select {
	case <-time.After(delay):
	case <-ns.T.Context().Done():
	}
	require.NoError(ns.T, env.Cluster.Server.Kill(ns.T.Context()))
	require.NoError(ns.T, env.Cluster.Server.Start(ns.T.Context()))
}

// TestCrash: the kubelet starts the container again in the same Pod, and Ready tells of it.
func TestCrash(t *testing.T) {
	ns := story(t)
	t.Parallel()
	start(ns, agent("dev", harness.WithDisk("data")))
	put(ns, "dev", workFile, "before the crash")
	want, pod := identify(ns, "dev"), ns.Pod("dev").UID
	_, err := call(ns, "dev", http.MethodPost, "/crash", "")
	require.Error(t, err, "there is nobody left to answer")
	ns.Eventually("the container has been started again", func() error {
		statuses := ns.Pod("dev").Status.ContainerStatuses
		if len(statuses) != 1 || statuses[0].RestartCount != 1 {
			return fmt.Errorf("its status is %+v", statuses)
		}
		return nil
	})
	waitAnswer(ns, "dev", "/hostname", "dev")
	ns.WaitReady("dev")
	assert.Equal(t, want, identify(ns, "dev"))
	assert.Equal(t, pod, ns.Pod("dev").UID)
}

// TestCrashOfOneThatRunsOnce is the end of it, with the exit code that the container had.
func TestCrashOfOneThatRunsOnce(t *testing.T) {
	ns := story(t)
	t.Parallel()
	start(ns, agent("job", harness.RunningOnce))
	_, err := call(ns, "job", http.MethodPost, "/crash", "")
	require.Error(t, err)
	ns.WaitConditions("job", "Finished=True/PodFailed")
	terminated := ns.Pod("job").Status.ContainerStatuses[0].State.Terminated
	require.NotNil(t, terminated)
	assert.EqualValues(t, 3, terminated.ExitCode)
}

// TestEviction: another Pod on the same disk.
func TestEviction(t *testing.T) {
	ns := story(t)
	t.Parallel()
	start(ns, agent("dev", harness.WithDisk("data")))
	put(ns, "dev", workFile, "before the eviction")
	want, pod := identify(ns, "dev"), ns.Pod("dev").UID
	require.NoError(t, ns.Pods().EvictV1(t.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "dev"}}))
	ns.WaitReplaced("dev", pod)
	ns.WaitReady("dev")
	waitAnswer(ns, "dev", "/hostname", "dev")
	assert.Equal(t, want, identify(ns, "dev"))
}

// TestEvictionByTheKubelet: a Pod that has used up its share of the disk is replaced, also
// where its container ends well when told to, so that the Pod has Succeeded.
func TestEvictionByTheKubelet(t *testing.T) {
	ns := story(t)
	t.Parallel()
	start(ns, agent("dev", harness.WithDisk("data"), func(s *v1beta1.Sandbox) {
		s.Spec.PodTemplate.Spec.Volumes = append(s.Spec.PodTemplate.Spec.Volumes, corev1.Volume{
			Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: ptr.To(oneMegabyte)}},
		})
		main := &s.Spec.PodTemplate.Spec.Containers[0]
		main.VolumeMounts = append(main.VolumeMounts, corev1.VolumeMount{Name: "scratch", MountPath: "/scratch"})
	}))
	put(ns, "dev", workFile, "before the eviction")
	want, pod := identify(ns, "dev"), ns.Pod("dev").UID
	put(ns, "dev", "/scratch/full", string(make([]byte, 2*oneMegabyte.Value())))
	ns.WaitReplaced("dev", pod)
	ns.WaitReady("dev")
	waitAnswer(ns, "dev", "/hostname", "dev")
	assert.Equal(t, want, identify(ns, "dev"))
}

var errNoPod = errors.New("there is no Pod yet")
