// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apiserver"
)

// eachVariant runs a test for artifacts/single and artifacts/ha.
func eachVariant(t *testing.T, test func(*testing.T, rendered)) {
	t.Helper()
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) { test(t, artifacts(t, variant)) })
	}
}

// eachWorkload runs a test for each Deployment and StatefulSet of both.
func eachWorkload(t *testing.T, test func(*testing.T, rendered, workload)) {
	t.Helper()
	eachVariant(t, func(t *testing.T, r rendered) {
		t.Helper()
		require.NotEmpty(t, workloads(r))
		for name, w := range workloads(r) {
			t.Run(name, func(t *testing.T) { test(t, r, w) })
		}
	})
}

// TestDeletingDeletesNoData is what makes `kubectl delete -k` harmless.
func TestDeletingDeletesNoData(t *testing.T) {
	eachVariant(t, func(t *testing.T, r rendered) {
		t.Helper()
		for _, object := range r.objects {
			assert.NotContains(t, []string{"Namespace", "PersistentVolumeClaim", "PersistentVolume", "Secret", "ConfigMap"}, object.GetKind(),
				"%s would go with the server", object.GetName())
		}
		for _, set := range of[*appsv1.StatefulSet](r) {
			retain := &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{
				WhenDeleted: appsv1.RetainPersistentVolumeClaimRetentionPolicyType, WhenScaled: appsv1.RetainPersistentVolumeClaimRetentionPolicyType,
			}
			assert.Equal(t, retain, set.Spec.PersistentVolumeClaimRetentionPolicy, set.Name)
		}
	})
	assert.Len(t, artifacts(t, "namespace").objects, 1)
}

func TestEverythingIsOursAndSaysSo(t *testing.T) {
	eachVariant(t, func(t *testing.T, r rendered) {
		t.Helper()
		for _, object := range r.objects {
			assert.Equal(t, "sandbox-apiserver", object.GetLabels()["app.kubernetes.io/part-of"], "%s %s", object.GetKind(), object.GetName())
			if object.GetNamespace() != "" && object.GetKind() != "RoleBinding" {
				assert.Equal(t, namespace, object.GetNamespace(), "%s %s", object.GetKind(), object.GetName())
			}
		}
	})
}

// TestFlagsAreKnown parses every command line as the binary would.
func TestFlagsAreKnown(t *testing.T) {
	eachWorkload(t, func(t *testing.T, _ rendered, w workload) {
		t.Helper()
		_, err := parse(t, w)
		require.NoError(t, err)
	})
}

// parse returns the flags that the container is started with.
func parse(t *testing.T, w workload) (*pflag.FlagSet, error) {
	t.Helper()
	root := app.NewCommand(t.Context())
	root.SetOut(io.Discard)
	command, args, err := root.Find(w.container().Args)
	if err != nil {
		return nil, err
	}
	if err := command.ParseFlags(args); err != nil {
		return nil, err
	}
	if err := command.ValidateArgs(command.Flags().Args()); err != nil {
		return nil, err
	}
	return command.Flags(), nil
}

func TestHardened(t *testing.T) {
	eachWorkload(t, func(t *testing.T, r rendered, w workload) {
		t.Helper()
		pod, container := w.template.Spec, w.container()
		require.Len(t, pod.Containers, 1)
		assert.Equal(t, "sandbox-apiserver", container.Image, "the one name that an overlay replaces")
		assert.Empty(t, container.Command, "the image's entry point is the binary")
		assert.True(t, *pod.SecurityContext.RunAsNonRoot)
		assert.Positive(t, *pod.SecurityContext.RunAsUser)
		assert.Equal(t, corev1.SeccompProfileTypeRuntimeDefault, pod.SecurityContext.SeccompProfile.Type)
		assert.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
		assert.False(t, *container.SecurityContext.AllowPrivilegeEscalation)
		assert.Equal(t, []corev1.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop)
		assert.Contains(t, container.Resources.Requests, corev1.ResourceCPU)
		assert.Contains(t, container.Resources.Requests, corev1.ResourceMemory)
		assert.NotContains(t, container.Resources.Limits, corev1.ResourceCPU)
		assert.NotNil(t, pod.AutomountServiceAccountToken, "said, not inherited")
		classes := of[*schedulingv1.PriorityClass](r)
		require.Len(t, classes, 1)
		assert.Equal(t, classes[0].Name, pod.PriorityClassName)
		assert.LessOrEqual(t, classes[0].Value, int32(1e9))

		accounts := of[*corev1.ServiceAccount](r)
		i := slices.IndexFunc(accounts, func(a *corev1.ServiceAccount) bool { return a.Name == pod.ServiceAccountName })
		require.GreaterOrEqual(t, i, 0, "ServiceAccount %s", pod.ServiceAccountName)
		assert.False(t, *accounts[i].AutomountServiceAccountToken)
	})
}

// TestPathsAreWritable holds every path on a command line to a volume.
func TestPathsAreWritable(t *testing.T) {
	eachWorkload(t, func(t *testing.T, _ rendered, w workload) {
		t.Helper()
		for _, arg := range w.container().Args {
			_, path, ok := strings.Cut(arg, "=/")
			if !ok {
				continue
			}
			inside := func(m corev1.VolumeMount) bool {
				return ("/" + path + "/")[:len(m.MountPath)+1] == m.MountPath+"/" && !m.ReadOnly
			}
			assert.True(t, slices.ContainsFunc(w.container().VolumeMounts, func(m corev1.VolumeMount) bool {
				return len(path)+1 >= len(m.MountPath) && inside(m)
			}), "%s is on the read-only root", arg)
		}
	})
}

func TestProbesAskWhereItListens(t *testing.T) {
	eachWorkload(t, func(t *testing.T, _ rendered, w workload) {
		t.Helper()
		container := w.container()
		for name, probe := range map[string]*corev1.Probe{"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe} {
			require.NotNil(t, probe, name)
			require.NotNil(t, probe.HTTPGet, name)
			assert.NotZero(t, portNamed(container, probe.HTTPGet.Port), "%s asks port %s", name, probe.HTTPGet.Port.String())
		}
		assert.Equal(t, "/readyz", container.ReadinessProbe.HTTPGet.Path)
		assert.Equal(t, "/livez", container.LivenessProbe.HTTPGet.Path)
		if w.name != "sandbox-apiserver" {
			return
		}
		assert.Equal(t, corev1.URISchemeHTTPS, container.LivenessProbe.HTTPGet.Scheme)
		assert.Contains(t, container.Args, fmt.Sprintf("--secure-port=%d", portNamed(container, intstr.FromString("https"))))
	})
}

// portNamed is 0 when the container has no such port.
func portNamed(c corev1.Container, port intstr.IntOrString) int32 {
	for _, has := range c.Ports {
		if has.Name == port.String() {
			return has.ContainerPort
		}
	}
	return 0
}

// TestGraceCoversTheShutdown computes from the flags how long a stop takes at the most.
func TestGraceCoversTheShutdown(t *testing.T) {
	// A member of etcd hands leadership over, then waits for its last requests, 7 s for each.
	const memberStops = 2 * 7 * time.Second
	eachWorkload(t, func(t *testing.T, _ rendered, w workload) {
		t.Helper()
		grace := time.Duration(*w.template.Spec.TerminationGracePeriodSeconds) * time.Second
		if w.name != "sandbox-apiserver" {
			assert.Greater(t, grace, memberStops)
			return
		}
		flags, err := parse(t, w)
		require.NoError(t, err)
		duration := func(name string) time.Duration {
			d, err := flags.GetDuration(name)
			require.NoError(t, err)
			require.Positive(t, d)
			return d
		}
		assert.Greater(t, grace, apiserver.LongestStop(
			duration("shutdown-delay-duration"), duration("shutdown-watch-termination-grace-period"), duration("request-timeout")))
	})
}

// TestSelectors holds every selector to the Pods of exactly one workload.
func TestSelectors(t *testing.T) {
	eachVariant(t, func(t *testing.T, r rendered) {
		t.Helper()
		for what, selector := range selectors(t, r) {
			var selected []string
			for name, w := range workloads(r) {
				if selector.Matches(labels.Set(w.template.Labels)) {
					selected = append(selected, name)
				}
			}
			_, name, _ := strings.Cut(what, "/")
			assert.Equal(t, []string{name}, selected, what)
		}
	})
}

// selectors are those of everything, by KIND/WORKLOAD that they are meant for.
func selectors(t *testing.T, r rendered) map[string]labels.Selector {
	t.Helper()
	found := map[string]labels.Selector{}
	add := func(what string, selector *metav1.LabelSelector) {
		converted, err := metav1.LabelSelectorAsSelector(selector)
		require.NoError(t, err)
		found[what] = converted
	}
	for _, service := range of[*corev1.Service](r) {
		found["Service/"+service.Name] = labels.SelectorFromSet(service.Spec.Selector)
		target := workloads(r)[service.Name].container()
		for _, port := range service.Spec.Ports {
			assert.NotZero(t, portNamed(target, port.TargetPort), "Service %s: port %s", service.Name, port.Name)
		}
	}
	for _, budget := range of[*policyv1.PodDisruptionBudget](r) {
		add("PodDisruptionBudget/"+budget.Name, budget.Spec.Selector)
	}
	for _, deployment := range of[*appsv1.Deployment](r) {
		add("Deployment/"+deployment.Name, deployment.Spec.Selector)
	}
	for _, set := range of[*appsv1.StatefulSet](r) {
		add("StatefulSet/"+set.Name, set.Spec.Selector)
	}
	for name, w := range workloads(r) {
		for i, spread := range w.template.Spec.TopologySpreadConstraints {
			add(fmt.Sprintf("TopologySpread%d/%s", i, name), spread.LabelSelector)
		}
	}
	return found
}

// TestServersFindTheirEtcd follows --etcd-servers to the Pods of the StatefulSet.
func TestServersFindTheirEtcd(t *testing.T) {
	r := artifacts(t, "ha")
	etcd := workloads(r)["sandbox-etcd"]
	require.Equal(t, 3, etcd.replicas)
	var want []string
	for i := range etcd.replicas {
		want = append(want, fmt.Sprintf("%s-%d.%s.%s.svc:%d", etcd.name, i, etcd.name, namespace, portNamed(etcd.container(), intstr.FromString("client"))))
	}
	assert.Equal(t, want, etcdHosts(t, workloads(r)["sandbox-apiserver"]))
	for _, service := range of[*corev1.Service](r) {
		if service.Name == etcd.name {
			assert.Equal(t, corev1.ClusterIPNone, service.Spec.ClusterIP)
			assert.True(t, service.Spec.PublishNotReadyAddresses)
		}
	}
}

func etcdHosts(t *testing.T, server workload) []string {
	t.Helper()
	var hosts []string
	for _, arg := range server.container().Args {
		if servers, ok := strings.CutPrefix(arg, "--etcd-servers="); ok {
			for server := range strings.SplitSeq(servers, ",") {
				parsed, err := url.Parse(server)
				require.NoError(t, err)
				assert.Equal(t, "https", parsed.Scheme)
				hosts = append(hosts, parsed.Host)
			}
		}
	}
	return hosts
}

// TestOneMayGo: of each workload with several Pods one may be drained, and a rolling update
// takes none away before another one serves.
func TestOneMayGo(t *testing.T) {
	r := artifacts(t, "ha")
	budgets := map[string]int{}
	for _, budget := range of[*policyv1.PodDisruptionBudget](r) {
		budgets[budget.Name] = budget.Spec.MaxUnavailable.IntValue()
	}
	assert.Equal(t, map[string]int{"sandbox-apiserver": 1, "sandbox-etcd": 1}, budgets)
	rolling := of[*appsv1.Deployment](r)[0].Spec.Strategy.RollingUpdate
	assert.Zero(t, rolling.MaxUnavailable.IntValue())
	assert.Equal(t, 1, rolling.MaxSurge.IntValue())
	assert.Empty(t, of[*policyv1.PodDisruptionBudget](artifacts(t, "single")), "a budget for one Pod stops every drain for ever")
}

// TestMembersAreOnNodesOfTheirOwn: with fewer nodes than members the scheduler would find two
// on one node even enough, unless it is told how many there should be.
func TestMembersAreOnNodesOfTheirOwn(t *testing.T) {
	etcd := workloads(artifacts(t, "ha"))["sandbox-etcd"]
	constraints := etcd.template.Spec.TopologySpreadConstraints
	i := slices.IndexFunc(constraints, func(c corev1.TopologySpreadConstraint) bool { return c.TopologyKey == corev1.LabelHostname })
	require.GreaterOrEqual(t, i, 0)
	assert.Equal(t, corev1.DoNotSchedule, constraints[i].WhenUnsatisfiable)
	assert.EqualValues(t, 1, constraints[i].MaxSkew)
	require.NotNil(t, constraints[i].MinDomains)
	assert.EqualValues(t, etcd.replicas, *constraints[i].MinDomains)
}
