// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestResourceQuota counts objects: kube-apiserver does not do it for us.
func TestResourceQuota(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	const counted = corev1.ResourceName("count/sandboxes.sandbox.agents.x-k8s.io")
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "few"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{counted: resource.MustParse("1")}},
	}
	quotas := ns.Kube.CoreV1().ResourceQuotas(ns.Name)
	_, err := quotas.Create(t.Context(), quota, metav1.CreateOptions{})
	require.NoError(t, err)
	used := func() (string, error) {
		current, err := quotas.Get(t.Context(), "few", metav1.GetOptions{})
		if err != nil {
			return "", err
		}
		value, ok := current.Status.Used[counted]
		if !ok {
			return "", errors.New("kube-controller-manager has not counted yet")
		}
		return value.String(), nil
	}
	// It learns of our resource up to 30 s after us, and looks at a quota again when it changes.
	attempts := 0
	ns.Eventually("the quota is counted", func() error {
		_, err := used()
		if err == nil {
			return nil
		}
		attempts++
		patch := fmt.Appendf(nil, `{"spec":{"hard":{"configmaps":"%d"}}}`, 1000+attempts)
		_, patchErr := quotas.Patch(t.Context(), "few", types.MergePatchType, patch, metav1.PatchOptions{})
		return errors.Join(err, patchErr)
	})

	// Our admission may see the counted quota later than we do.
	ns.Eventually("the first Sandbox is accepted", func() error {
		_, err := ns.Sandboxes().Create(t.Context(), harness.Sandbox("first", harness.Suspended), metav1.CreateOptions{})
		return err
	})
	_, err = ns.Sandboxes().Create(t.Context(), harness.Sandbox("second", harness.Suspended), metav1.CreateOptions{})
	assertRefused(t, err, refusal{code: 403, says: []string{"exceeded quota: few", "requested: " + string(counted) + "=1", "used: " + string(counted) + "=1", "limited: " + string(counted) + "=1"}})
	assert.NoError(t, harness.Gone(ns.GetSandbox("second")(t.Context())))
	value, err := used()
	require.NoError(t, err)
	assert.Equal(t, "1", value)

	require.NoError(t, ns.Sandboxes().Delete(t.Context(), "first", metav1.DeleteOptions{}))
	ns.Eventually("the quota is free again", func() error {
		_, err := ns.Sandboxes().Create(t.Context(), harness.Sandbox("second", harness.Suspended), metav1.CreateOptions{})
		return err
	})
}

// TestValidatingAdmissionPolicy: the policies of the cluster hold for our objects.
func TestValidatingAdmissionPolicy(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	name := ns.Name + ".example.com"
	policies := ns.Kube.AdmissionregistrationV1()
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
					Rule: admissionregistrationv1.Rule{
						APIGroups: []string{v1beta1.GroupName}, APIVersions: []string{"*"}, Resources: []string{"sandboxes"},
					},
				},
			}}},
			Validations: []admissionregistrationv1.Validation{{
				Expression: "object.spec.podTemplate.spec.containers.all(c, c.image.startsWith('busybox'))",
				Message:    "only busybox runs here",
			}},
		},
	}
	_, err := policies.ValidatingAdmissionPolicies().Create(t.Context(), policy, metav1.CreateOptions{})
	require.NoError(t, err)
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        name,
			ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
			MatchResources: &admissionregistrationv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns.Name}},
			},
		},
	}
	_, err = policies.ValidatingAdmissionPolicyBindings().Create(t.Context(), binding, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		assert.NoError(t, policies.ValidatingAdmissionPolicyBindings().Delete(ctx, name, metav1.DeleteOptions{}))
		assert.NoError(t, policies.ValidatingAdmissionPolicies().Delete(ctx, name, metav1.DeleteOptions{}))
	})

	other := harness.Sandbox("other", harness.Suspended, func(s *v1beta1.Sandbox) { mainContainer(s).Image = "nginx" })
	ns.Eventually("the policy is known to the server", func() error {
		_, err := ns.Sandboxes().Create(t.Context(), other, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if !apierrors.IsInvalid(err) {
			return fmt.Errorf("creating a Sandbox of another image: %w", err)
		}
		return nil
	})
	_, err = ns.Sandboxes().Create(t.Context(), other, metav1.CreateOptions{})
	assertRefused(t, err, refusal{code: 422, says: []string{name, "only busybox runs here"}})
	assert.NoError(t, harness.Gone(ns.GetSandbox("other")(t.Context())))
	ns.Create(harness.Sandbox("allowed", harness.Suspended))
}

// TestPodTemplateWarnings: what only may fail is said, and stored.
func TestPodTemplateWarnings(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Name: "no-pods"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}},
	}
	_, err := ns.Kube.CoreV1().ResourceQuotas(ns.Name).Create(t.Context(), quota, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.Eventually("Pods are refused by the quota", func() error {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: harness.Image}}}}
		_, err := ns.Pods().Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if !apierrors.IsForbidden(err) {
			return fmt.Errorf("creating a Pod: %w", err)
		}
		return nil
	})
	out := ns.MustKubectl(manifest("dev"), "create", "-f", "-")
	assert.Contains(t, out, "Warning: ")
	assert.Contains(t, out, "exceeded quota: no-pods")
	assert.Contains(t, out, "dev created")
	ns.WaitFor("dev", "says that the quota is in the way", func(s *v1beta1.Sandbox) error {
		for _, condition := range s.Status.Conditions {
			if condition.Type == v1beta1.ConditionReady && condition.Status == metav1.ConditionFalse && strings.Contains(condition.Message, "exceeded quota") {
				return nil
			}
		}
		return fmt.Errorf("conditions: %+v", s.Status.Conditions)
	})
}

// TestHorizontalPodAutoscaler finds the scale of a pool by discovery, as any scaler does.
func TestHorizontalPodAutoscaler(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	poolOf(ns, "pool")
	_, err := ns.Pools().Patch(t.Context(), "pool", types.MergePatchType, []byte(`{"spec":{"replicas":1}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	autoscaler := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "pool"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: v1beta1.SchemeGroupVersion.String(), Kind: "SandboxWarmPool", Name: "pool"},
			MinReplicas:    ptr.To(int32(2)), MaxReplicas: 3,
		},
	}
	_, err = ns.Kube.AutoscalingV2().HorizontalPodAutoscalers(ns.Name).Create(t.Context(), autoscaler, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.Eventually("the autoscaler raises the pool to its minimum", func() error {
		pool, err := ns.Pools().Get(t.Context(), "pool", metav1.GetOptions{})
		if err != nil {
			return err
		}
		if *pool.Spec.Replicas != 2 {
			return fmt.Errorf("spec.replicas is %d", *pool.Spec.Replicas)
		}
		return nil
	})
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	list, err := env.Kube.Discovery().ServerResourcesForGroupVersion(v1beta1.SchemeGroupVersion.String())
	require.NoError(t, err)
	found := map[string]metav1.APIResource{}
	for _, served := range list.APIResources {
		found[served.Name] = served
	}
	for name, short := range map[string]string{"sandboxes": "sbx", "sandboxtemplates": "sbt", "sandboxwarmpools": "swp", "sandboxclaims": "sbc"} {
		served := found[name]
		assert.Equal(t, []string{short}, served.ShortNames, name)
		assert.Equal(t, []string{"agents"}, served.Categories, name)
		assert.True(t, served.Namespaced, name)
		assert.ElementsMatch(t, []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}, served.Verbs, name)
		assert.ElementsMatch(t, []string{"get", "patch", "update"}, found[name+"/status"].Verbs, name)
	}
	for _, action := range []string{"suspend", "resume"} {
		assert.Equal(t, metav1.Verbs{"create"}, found["sandboxes/"+action].Verbs)
	}
	assert.Equal(t, "SuspendOptions", found["sandboxes/suspend"].Kind)
	assert.Equal(t, "ResumeOptions", found["sandboxes/resume"].Kind)
	scale := found["sandboxwarmpools/scale"]
	assert.Equal(t, []string{"autoscaling", "v1", "Scale"}, []string{scale.Group, scale.Version, scale.Kind})
}
