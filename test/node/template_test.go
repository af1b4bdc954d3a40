// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

var oneMegabyte = resource.MustParse("1Mi")

const (
	warmClaims   = 5
	answerWithin = 2 * time.Minute
)

// TestWarmClaim compares the time until a claimed Sandbox first answers with that of a new one.
func TestWarmClaim(t *testing.T) {
	ns := story(t)
	template := harness.Template("agent", func(t *v1beta1.SandboxTemplate) { runAgent(&t.Spec.PodTemplate) })
	_, err := ns.Templates().Create(t.Context(), template, metav1.CreateOptions{})
	require.NoError(t, err)
	pool := harness.Pool("agents", "agent", func(p *v1beta1.SandboxWarmPool) { p.Spec.Replicas = ptr.To(int32(warmClaims)) })
	_, err = ns.Pools().Create(t.Context(), pool, metav1.CreateOptions{})
	require.NoError(t, err)
	waitFull(ns, "agents")
	var warm, cold []time.Duration
	for i := range warmClaims {
		warm = append(warm, timeClaim(ns, fmt.Sprint("warm-", i)))
	}
	// What makes up for what was claimed would share the machine with a cold start.
	waitFull(ns, "agents")
	for i := range warmClaims {
		cold = append(cold, timeCold(ns, fmt.Sprint("cold-", i)))
	}
	slices.Sort(warm)
	slices.Sort(cold)
	t.Logf("FIGURES POST to first HTTP answer: warm claim %v, median %v; cold start %v, median %v",
		warm, warm[warmClaims/2], cold, cold[warmClaims/2])
	assert.Less(t, warm[warmClaims/2], cold[warmClaims/2])
}

func waitFull(ns *harness.Space, name string) {
	ns.T.Helper()
	ns.Eventually("the pool is full", func() error {
		pool, err := ns.Pools().Get(ns.T.Context(), name, metav1.GetOptions{})
		if err == nil && pool.Status.ReadyReplicas != warmClaims {
			err = fmt.Errorf("its status is %+v", pool.Status)
		}
		return err
	})
}

// timeClaim is from the POST of a claim to the first answer over HTTP.
func timeClaim(ns *harness.Space, name string) time.Duration {
	ns.T.Helper()
	begin := time.Now()
	claim, err := ns.Claims().Create(ns.T.Context(), harness.Claim(name, "agents"), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	if len(addresses(claim)) == 0 {
		ns.T.Logf("claim %s was not answered with an address: %+v", name, claim.Status)
		ns.Eventually("claim "+name+" has an address", func() error {
			claim, err = ns.Claims().Get(ns.T.Context(), name, metav1.GetOptions{})
			if err == nil && len(addresses(claim)) == 0 {
				err = errNoPod
			}
			return err
		})
	}
	_, err = callAddress(ns.T.Context(), addresses(claim)[0], http.MethodGet, "/hostname", "")
	require.NoError(ns.T, err)
	return time.Since(begin)
}

// timeCold is the same for a Sandbox that has to be started.
func timeCold(ns *harness.Space, name string) time.Duration {
	ns.T.Helper()
	begin := time.Now()
	ns.Create(agent(name))
	for ns.T.Context().Err() == nil && time.Since(begin) < answerWithin {
		if _, err := call(ns, name, http.MethodGet, "/hostname", ""); err == nil {
			return time.Since(begin)
		}
		<-time.After(20 * time.Millisecond)
	}
	require.FailNow(ns.T, "no answer", "Sandbox %s after %v", name, answerWithin)
	return 0
}

func addresses(claim *v1beta1.SandboxClaim) []string {
	if claim.Status.Sandbox == nil {
		return nil
	}
	return claim.Status.Sandbox.PodIPs
}

// TestRuntimeClass: another handler really runs the container, seen from inside and outside.
func TestRuntimeClass(t *testing.T) {
	ns := story(t)
	t.Parallel()
	class := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: ns.Name}, Handler: "crun"}
	_, err := ns.Kube.NodeV1().RuntimeClasses().Create(t.Context(), class, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, ns.Kube.NodeV1().RuntimeClasses().Delete(context.WithoutCancel(t.Context()), class.Name, metav1.DeleteOptions{}))
	})
	start(ns, agent("usual"))
	start(ns, agent("other", func(s *v1beta1.Sandbox) { s.Spec.PodTemplate.Spec.RuntimeClassName = ptr.To(class.Name) }))

	// Each runtime hides what a container must not see in a way of its own.
	usual, other := maskOfKeys(ns, "usual"), maskOfKeys(ns, "other")
	t.Logf("/proc/keys is hidden by a file of runc's %q and of crun's %q", usual, other)
	assert.NotEqual(t, usual, other)
	assert.Equal(t, "runc", runtimeOf(ns, "usual"))
	assert.Equal(t, "crun", runtimeOf(ns, "other"))
}

// maskOfKeys is the file system of what is mounted over /proc/keys in the container.
func maskOfKeys(ns *harness.Space, name string) string {
	ns.T.Helper()
	for line := range strings.Lines(get(ns, name, "/files/proc/self/mountinfo")) {
		if before, after, ok := strings.Cut(line, " - "); ok && strings.Contains(before, " /proc/keys ") {
			return strings.TrimSpace(after)
		}
	}
	require.Fail(ns.T, "/proc/keys is open", name)
	return ""
}

// runtimeOf is the runtime that keeps a state of the Sandbox's container.
func runtimeOf(ns *harness.Space, name string) string {
	ns.T.Helper()
	_, id, _ := strings.Cut(ns.Pod(name).Status.ContainerStatuses[0].ContainerID, "://")
	for _, runtime := range []string{"runc", "crun"} {
		if _, err := os.Stat(filepath.Join(env.Cluster.Dir(), "node", runtime, "k8s.io", id)); err == nil {
			return runtime
		}
	}
	return "none"
}

// TestNetworkPolicyComesFirst: no Pod of a template is there before what closes its network.
func TestNetworkPolicyComesFirst(t *testing.T) {
	ns := story(t)
	t.Parallel()
	tenMinutes := int64(600)
	watcher, err := ns.Pods().Watch(t.Context(), metav1.ListOptions{LabelSelector: v1beta1.TemplateLabel + "=closed", TimeoutSeconds: &tenMinutes})
	require.NoError(t, err)
	defer watcher.Stop()
	template := harness.Template("closed", func(t *v1beta1.SandboxTemplate) { runAgent(&t.Spec.PodTemplate) })
	_, err = ns.Templates().Create(t.Context(), template, metav1.CreateOptions{})
	require.NoError(t, err)
	pool := harness.Pool("closed", "closed", func(p *v1beta1.SandboxWarmPool) { p.Spec.Replicas = ptr.To(int32(1)) })
	_, err = ns.Pools().Create(t.Context(), pool, metav1.CreateOptions{})
	require.NoError(t, err)
	var pod *corev1.Pod
	for event := range watcher.ResultChan() {
		if added, ok := event.Object.(*corev1.Pod); ok && event.Type == "ADDED" {
			pod = added
			break
		}
	}
	require.NotNil(t, pod, "the pool has no Pod")
	policies, err := ns.Kube.NetworkingV1().NetworkPolicies(ns.Name).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, policies.Items, 1)
	policy := policies.Items[0]
	assert.Equal(t, map[string]string{v1beta1.TemplateLabel: "closed"}, policy.Spec.PodSelector.MatchLabels)
	assert.Equal(t, "closed", pod.Labels[v1beta1.TemplateLabel], "the policy selects the Pod")
	// Both are in one etcd, which numbers what is written to it.
	assert.Less(t, revision(t, &policy), revision(t, pod), "which was written first")
}

func revision(t *testing.T, object metav1.Object) uint64 {
	t.Helper()
	number, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	require.NoError(t, err)
	return number
}
