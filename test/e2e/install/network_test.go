// SPDX-License-Identifier: Apache-2.0

package install

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// TestNetworkPolicies says for each connection whether it may be made. Nothing here has a
// network that knows policies: the table is what they mean, on both ends.
func TestNetworkPolicies(t *testing.T) {
	const anybody, server, etcd = "", "sandbox-apiserver", "sandbox-etcd"
	ha := artifacts(t, "ha")
	for _, tc := range []struct {
		from, to string
		port     int32
		want     bool
	}{
		{anybody, server, 6443, true},
		{server, etcd, 2379, true},
		{etcd, etcd, 2379, true},
		{etcd, etcd, 2380, true},
		{anybody, etcd, 2381, true},
		{server, anybody, 443, true},
		{server, anybody, 6443, true},
		{server, anybody, 9443, true},
		{server, anybody, 53, true},
		{etcd, anybody, 6443, true},
		{etcd, anybody, 53, true},

		{anybody, etcd, 2379, false},
		{anybody, etcd, 2380, false},
		{server, etcd, 2380, false},
		{server, anybody, 2379, false},
		{server, anybody, 10250, false},
		{server, anybody, 8080, false},
		{etcd, server, 6443, true}, // as to any kube-apiserver
		{etcd, anybody, 10250, false},
	} {
		assert.Equal(t, tc.want, mayLeave(t, ha, tc.from, tc.to, tc.port) && mayEnter(t, ha, tc.from, tc.to, tc.port),
			"%q to %q, port %d", tc.from, tc.to, tc.port)
	}
	single := artifacts(t, "single")
	assert.True(t, mayEnter(t, single, anybody, server, 6443) && mayLeave(t, single, server, anybody, 443))
	assert.False(t, mayLeave(t, single, server, anybody, 2379))
}

func mayLeave(t *testing.T, r rendered, from, to string, port int32) bool {
	t.Helper()
	if from == "" {
		return true
	}
	return slices.ContainsFunc(policyOf(t, r, from).Spec.Egress, func(rule networkingv1.NetworkPolicyEgressRule) bool {
		return isPeer(t, r, rule.To, to) && hasPort(r, rule.Ports, to, port)
	})
}

func mayEnter(t *testing.T, r rendered, from, to string, port int32) bool {
	t.Helper()
	if to == "" {
		return true
	}
	return slices.ContainsFunc(policyOf(t, r, to).Spec.Ingress, func(rule networkingv1.NetworkPolicyIngressRule) bool {
		return isPeer(t, r, rule.From, from) && hasPort(r, rule.Ports, to, port)
	})
}

func policyOf(t *testing.T, r rendered, workload string) *networkingv1.NetworkPolicy {
	t.Helper()
	for _, policy := range of[*networkingv1.NetworkPolicy](r) {
		if policy.Name == workload {
			assert.Len(t, policy.Spec.PolicyTypes, 2, "what is not said is allowed")
			assert.True(t, matches(t, &policy.Spec.PodSelector, workloads(r)[workload]))
			return policy
		}
	}
	require.Fail(t, "no NetworkPolicy for "+workload)
	return nil
}

// isPeer: no peers at all mean everybody.
func isPeer(t *testing.T, r rendered, peers []networkingv1.NetworkPolicyPeer, name string) bool {
	t.Helper()
	return len(peers) == 0 || name != "" && slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool {
		return matches(t, peer.PodSelector, workloads(r)[name])
	})
}

func matches(t *testing.T, selector *metav1.LabelSelector, w workload) bool {
	t.Helper()
	converted, err := metav1.LabelSelectorAsSelector(selector)
	require.NoError(t, err)
	return converted.Matches(labels.Set(w.template.Labels))
}

// hasPort looks a named port up at the receiving end.
func hasPort(r rendered, ports []networkingv1.NetworkPolicyPort, to string, want int32) bool {
	return slices.ContainsFunc(ports, func(port networkingv1.NetworkPolicyPort) bool {
		if number := port.Port.IntVal; number != 0 {
			return number == want
		}
		return portNamed(workloads(r)[to].container(), *port.Port) == want
	})
}
