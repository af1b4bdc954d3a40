// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func newTemplate(change ...func(*v1beta1.SandboxTemplate)) *v1beta1.SandboxTemplate {
	template := &v1beta1.SandboxTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "python", UID: "uid-python"},
		Spec: v1beta1.SandboxTemplateSpec{
			PodTemplate: v1beta1.PodTemplate{
				Metadata: v1beta1.PodMetadata{Labels: map[string]string{"app": "agent"}},
				Spec: corev1.PodSpec{
					InitContainers: []corev1.Container{{Name: "setup", Image: "shell"}},
					Containers: []corev1.Container{
						{Name: "main", Image: "python", Env: []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "$(A)"}}},
						{Name: "side", Image: "shell"},
					},
				},
			},
			VolumeClaimTemplates: newSandbox(withDisk("data")).Spec.VolumeClaimTemplates,
			Service:              ptr.To(true),
		},
	}
	for _, f := range change {
		f(template)
	}
	return template
}

func newPool(name string) *v1beta1.SandboxWarmPool {
	return &v1beta1.SandboxWarmPool{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name, UID: "uid-pool"}}
}

func newClaim(change ...func(*v1beta1.SandboxClaim)) *v1beta1.SandboxClaim {
	claim := &v1beta1.SandboxClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "mine", UID: "uid-mine"}}
	for _, f := range change {
		f(claim)
	}
	return claim
}

func withMetadata(labels, annotations map[string]string) func(*v1beta1.SandboxClaim) {
	return func(c *v1beta1.SandboxClaim) {
		c.Spec.AdditionalPodMetadata = v1beta1.PodMetadata{Labels: labels, Annotations: annotations}
	}
}

// texts of errors, as a user sees them.
func texts(errs field.ErrorList) []string {
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return texts
}

func TestHashOfATemplateIsStable(t *testing.T) {
	template := newTemplate()
	hash := TemplateHash(template)
	assert.Equal(t, "3e91295ec55d5c1c", hash, "another value makes every member of every pool stale when the server is upgraded")
	assert.Empty(t, utilvalidation.IsValidLabelValue(hash))

	stored := &v1beta1.SandboxTemplate{}
	data, err := template.Marshal()
	require.NoError(t, err)
	require.NoError(t, stored.Unmarshal(data))
	assert.Equal(t, hash, TemplateHash(stored), "read from protobuf")

	stored = &v1beta1.SandboxTemplate{}
	data, err = json.Marshal(template)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, stored))
	assert.Equal(t, hash, TemplateHash(stored), "read from JSON")
}

func TestWhatTheHashOfATemplateCovers(t *testing.T) {
	spec := func(change func(*v1beta1.SandboxTemplateSpec)) *v1beta1.SandboxTemplate {
		return newTemplate(func(t *v1beta1.SandboxTemplate) { change(&t.Spec) })
	}
	tests := map[string]struct {
		template *v1beta1.SandboxTemplate
		same     bool
	}{
		"image":      {spec(func(s *v1beta1.SandboxTemplateSpec) { s.PodTemplate.Spec.Containers[0].Image = "x" }), false},
		"label":      {spec(func(s *v1beta1.SandboxTemplateSpec) { s.PodTemplate.Metadata.Labels["app"] = "x" }), false},
		"annotation": {spec(func(s *v1beta1.SandboxTemplateSpec) { s.PodTemplate.Metadata.Annotations = map[string]string{"a": "b"} }), false},
		"disk":       {spec(func(s *v1beta1.SandboxTemplateSpec) { s.VolumeClaimTemplates = nil }), false},
		"service":    {spec(func(s *v1beta1.SandboxTemplateSpec) { s.Service = nil }), false},
		"another spelling of a size": {spec(func(s *v1beta1.SandboxTemplateSpec) {
			s.VolumeClaimTemplates[0].Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("1024Mi")
		}), true},
		"empty instead of unset": {spec(func(s *v1beta1.SandboxTemplateSpec) {
			s.PodTemplate.Metadata.Annotations = map[string]string{}
			s.PodTemplate.Spec.Volumes = []corev1.Volume{}
		}), true},
		"network": {spec(func(s *v1beta1.SandboxTemplateSpec) {
			s.NetworkPolicy = &v1beta1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{}}}
			s.NetworkPolicyManagement = v1beta1.NetworkPolicyUnmanaged
		}), true},
		"policies": {spec(func(s *v1beta1.SandboxTemplateSpec) {
			s.EnvVarsInjectionPolicy, s.VolumeClaimTemplatesPolicy = v1beta1.InjectionAllowed, v1beta1.InjectionOverrides
		}), true},
		"metadata": {newTemplate(func(t *v1beta1.SandboxTemplate) {
			t.Name, t.UID, t.Generation, t.Labels = "other", "uid-other", 9, map[string]string{"a": "b"}
		}), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.same, TemplateHash(newTemplate()) == TemplateHash(test.template))
		})
	}
	no := spec(func(s *v1beta1.SandboxTemplateSpec) { s.Service = ptr.To(false) })
	unset := spec(func(s *v1beta1.SandboxTemplateSpec) { s.Service = nil })
	assert.Equal(t, TemplateHash(unset), TemplateHash(no), "they give the same Sandbox")
}

func TestMemberOfAPool(t *testing.T) {
	template := newTemplate()
	before := template.DeepCopy()

	sandbox := FromTemplate(template, newPool("warm"))

	assert.Equal(t, &v1beta1.Sandbox{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:    "team",
			GenerateName: "warm-",
			Labels: map[string]string{
				v1beta1.WarmPoolLabel: "warm", v1beta1.TemplateLabel: "python", v1beta1.TemplateHashLabel: TemplateHash(template),
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "sandbox.agents.x-k8s.io/v1beta1", Kind: "SandboxWarmPool", Name: "warm", UID: "uid-pool",
				Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
			}},
		},
		Spec: v1beta1.SandboxSpec{
			PodTemplate:          template.Spec.PodTemplate,
			VolumeClaimTemplates: template.Spec.VolumeClaimTemplates,
			Service:              ptr.To(true),
		},
	}, sandbox)
	sandbox.Spec.PodTemplate.Metadata.Labels["app"] = "changed"
	*sandbox.Spec.Service = false
	assert.Equal(t, before, template, "nothing is shared with the template")
}

// The network policy of a template selects by this label, from the first second on.
func TestTheTemplateReachesThePod(t *testing.T) {
	template := newTemplate()
	sandbox := FromTemplate(template, newPool("warm"))
	sandbox.Name = "warm-x"
	policy := NetworkPolicy(template)
	assert.Subset(t, Pod(sandbox, "").Labels, policy.Spec.PodSelector.MatchLabels)
	assert.NotEmpty(t, policy.Spec.PodSelector.MatchLabels)
}

func TestGenerateNamesAreValid(t *testing.T) {
	tests := map[string]string{
		"warm":                              "warm-",
		strings.Repeat("a", 57):             strings.Repeat("a", 57) + "-",
		strings.Repeat("a", 58):             strings.Repeat("a", 57) + "-",
		strings.Repeat("a", 63):             strings.Repeat("a", 57) + "-",
		strings.Repeat("a", 55) + "-bcdefg": strings.Repeat("a", 55) + "-b-",
		strings.Repeat("a", 56) + "-bcdefg": strings.Repeat("a", 56) + "-",
	}
	for pool, want := range tests {
		got := FromTemplate(newTemplate(), newPool(pool)).GenerateName
		assert.Equal(t, want, got, pool)
		assert.Empty(t, apivalidation.NameIsDNSLabel(got, true), pool)
		assert.Empty(t, apivalidation.NameIsDNSLabel(got+"x7k2q", false), pool)
	}
}

func TestColdStart(t *testing.T) {
	claim := newClaim(withMetadata(map[string]string{"user": "ada"}, map[string]string{"note": "x"}))

	sandbox, errs := ForClaim(newTemplate(), newPool("warm"), claim, "mine-x7k2q")

	require.Empty(t, errs)
	member := FromTemplate(newTemplate(), newPool("warm"))
	labels := maps.Clone(member.Labels)
	labels["user"], labels[v1beta1.ClaimLabel] = "ada", "mine"
	assert.Equal(t, metav1.ObjectMeta{
		Namespace: "team", Name: "mine-x7k2q",
		Labels: labels, Annotations: map[string]string{"note": "x"},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(claim, v1beta1.SchemeGroupVersion.WithKind("SandboxClaim"))},
	}, sandbox.ObjectMeta)
	assert.Equal(t, &v1beta1.SandboxClaimReference{Name: "mine", UID: "uid-mine"}, sandbox.Spec.ClaimRef)
	assert.Equal(t, v1beta1.PodMetadata{
		Labels: map[string]string{"app": "agent", "user": "ada"}, Annotations: map[string]string{"note": "x"},
	}, sandbox.Spec.PodTemplate.Metadata)
	assert.Equal(t, member.Spec.PodTemplate.Spec, sandbox.Spec.PodTemplate.Spec)
}

// Only the name, and what the API server filled in, may tell a warm Sandbox from a cold one.
func TestWarmAndColdAreAlike(t *testing.T) {
	claim := newClaim(withMetadata(map[string]string{"user": "ada", "app": "agent"}, map[string]string{"note": "x"}))
	member := FromTemplate(newTemplate(), newPool("warm"))
	member.Name = "warm-1"
	before := member.DeepCopy()

	warm, errs := Claimed(member, claim)
	require.Empty(t, errs)
	assert.Equal(t, before, member, "the member may belong to a cache")

	cold, errs := ForClaim(newTemplate(), newPool("warm"), claim, "warm-1")
	require.Empty(t, errs)
	warm.GenerateName = ""
	assert.Equal(t, cold, warm)
}

func TestClaimedKeepsOwnersThatControlNothing(t *testing.T) {
	other := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "uid-x"}
	member := FromTemplate(newTemplate(), newPool("warm"))
	member.OwnerReferences = append(member.OwnerReferences, other)

	warm, errs := Claimed(member, newClaim())

	require.Empty(t, errs)
	assert.Equal(t, []metav1.OwnerReference{
		other, *metav1.NewControllerRef(newClaim(), v1beta1.SchemeGroupVersion.WithKind("SandboxClaim")),
	}, warm.OwnerReferences)
}

// A claimer must not be able to move its Pod out of the reach of what selects the Pods of the template.
func TestAClaimChangesNoMetadata(t *testing.T) {
	template := newTemplate(func(t *v1beta1.SandboxTemplate) {
		t.Spec.PodTemplate.Metadata.Annotations = map[string]string{"tier": "low"}
	})
	claim := newClaim(withMetadata(map[string]string{"app": "victim", "user": "ada"}, map[string]string{"tier": "high"}))
	want := []string{
		`spec.additionalPodMetadata.labels[app]: Invalid value: "victim": the podTemplate sets it to "agent", and a claim may add keys only: use another key`,
		`spec.additionalPodMetadata.annotations[tier]: Invalid value: "high": the podTemplate sets it to "low", and a claim may add keys only: use another key`,
	}

	cold, errs := ForClaim(template, newPool("warm"), claim, "mine-x")
	assert.Nil(t, cold)
	assert.Equal(t, want, texts(errs))

	warm, errs := Claimed(FromTemplate(template, newPool("warm")), claim)
	assert.Nil(t, warm)
	assert.Equal(t, want, texts(errs))
}

func TestReservedKeysOfAClaimGoNowhere(t *testing.T) {
	stolen := map[string]string{v1beta1.TemplateHashLabel: "x", v1beta1.SandboxUIDLabel: "uid-victim"}
	sandbox, errs := Claimed(newSandbox(), newClaim(withMetadata(stolen, stolen)))
	require.Empty(t, errs)
	assert.Equal(t, map[string]string{v1beta1.ClaimLabel: "mine"}, sandbox.Labels)
	assert.Empty(t, sandbox.Annotations)
	assert.Empty(t, sandbox.Spec.PodTemplate.Metadata)
}
