// SPDX-License-Identifier: Apache-2.0

package census

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/metrics"
	"k8s.io/component-base/metrics/testutil"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

type change = func(*v1beta1.Sandbox)

func newSandbox(name string, changes ...change) *v1beta1.Sandbox {
	sandbox := &v1beta1.Sandbox{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}, Spec: v1beta1.SandboxSpec{OperatingMode: v1beta1.SandboxRunning}}
	for _, f := range changes {
		f(sandbox)
	}
	return sandbox
}

func with(kind string, status metav1.ConditionStatus, reason string) change {
	return func(s *v1beta1.Sandbox) {
		s.Status.Conditions = append(s.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason})
	}
}

var (
	up    = with(v1beta1.ConditionReady, metav1.ConditionTrue, v1beta1.ReasonDependenciesReady)
	down  = with(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonDependenciesNotReady)
	past  = with(v1beta1.ConditionReady, metav1.ConditionFalse, v1beta1.ReasonSandboxExpired)
	ended = with(v1beta1.ConditionFinished, metav1.ConditionTrue, v1beta1.ReasonPodSucceeded)
	still = with(v1beta1.ConditionSuspended, metav1.ConditionTrue, v1beta1.ReasonPodTerminated)
	going = with(v1beta1.ConditionSuspended, metav1.ConditionFalse, v1beta1.ReasonPodTerminating)
)

func asleep(s *v1beta1.Sandbox)  { s.Spec.OperatingMode = v1beta1.SandboxSuspended }
func deleted(s *v1beta1.Sandbox) { s.DeletionTimestamp = ptr.To(metav1.Now()) }
func held(s *v1beta1.Sandbox)    { s.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: "mine"} }

func TestStateOf(t *testing.T) {
	tests := map[string]struct {
		changes []change
		want    state
	}{
		"new":                       {nil, pending},
		"starting":                  {[]change{down}, pending},
		"up":                        {[]change{up}, running},
		"to be suspended":           {[]change{asleep, up}, suspending},
		"being suspended":           {[]change{asleep, down, going}, suspending},
		"suspended":                 {[]change{asleep, down, still}, suspended},
		"resumed a moment ago":      {[]change{down, still}, pending},
		"finished":                  {[]change{down, ended}, finished},
		"expired":                   {[]change{past}, expired},
		"expired while suspended":   {[]change{asleep, past, still}, expired},
		"deleted, whatever it does": {[]change{deleted, up}, terminating},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, stateOf(newSandbox("dev", test.changes...)))
		})
	}
}

func TestCensus(t *testing.T) {
	census := New()
	size := func(in state, claimed bool) int { return census.sizes[cohort{in, claimed}] }
	census.see(newSandbox("a"))
	census.see(newSandbox("b", up))
	census.see(newSandbox("b", up)) // told again
	census.see(newSandbox("c", up, held))
	assert.Equal(t, []int{1, 1, 1}, []int{size(pending, false), size(running, false), size(running, true)})

	census.see(newSandbox("a", up))
	census.forget(newSandbox("b", deleted)) // its last state was never told
	census.forget(cache.DeletedFinalStateUnknown{Key: "team/c"})
	census.forget(newSandbox("never seen"))
	census.see("nonsense")
	census.forget("nonsense")
	assert.Equal(t, []int{0, 1, 0, 0}, []int{size(pending, false), size(running, false), size(running, true), size(terminating, false)})
}

func TestExposition(t *testing.T) {
	census := New()
	registry := metrics.NewKubeRegistry()
	require.NoError(t, registry.CustomRegister(census))
	census.see(newSandbox("a", up, held))
	var want strings.Builder
	want.WriteString("# HELP sandbox_apiserver_sandboxes [BETA] Sandboxes by state (pending, running, suspending, suspended, finished, expired, terminating) and by whether a claim holds them. " +
		"Every replica tells of all of them: take the maximum over replicas, not the sum.\n# TYPE sandbox_apiserver_sandboxes gauge\n")
	for _, claimed := range []bool{false, true} {
		for _, in := range states {
			value := 0
			if in == running && claimed {
				value = 1
			}
			fmt.Fprintf(&want, "sandbox_apiserver_sandboxes{claimed=\"%t\",state=\"%s\"} %d\n", claimed, in, value)
		}
	}
	assert.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(want.String())))
}

// BenchmarkScrape shows that fifty thousand Sandboxes cost a scrape nothing.
func BenchmarkScrape(b *testing.B) {
	census := New()
	for i := range 50_000 {
		census.see(newSandbox(fmt.Sprint("sandbox-", i), up))
	}
	registry := metrics.NewKubeRegistry()
	require.NoError(b, registry.CustomRegister(census))
	for b.Loop() {
		_, err := registry.Gather()
		require.NoError(b, err)
	}
}
