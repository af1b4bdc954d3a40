// SPDX-License-Identifier: Apache-2.0

package podtemplate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// harness is a plugin, the cluster it asks and the clock of its memory.
type harness struct {
	plugin *Plugin
	client *fake.Clientset
	clock  *clocktesting.FakePassiveClock
}

// newHarness takes the answer of the cluster. The fake client answers one call at a time.
func newHarness(answer func() error) *harness {
	h := &harness{
		plugin: New(),
		client: fake.NewClientset(),
		clock:  clocktesting.NewFakePassiveClock(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)),
	}
	h.plugin.cluster = newCluster(h.clock)
	h.client.PrependReactor("create", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &corev1.Pod{}, answer()
	})
	h.plugin.SetExternalKubeClientSet(h.client)
	return h
}

func (h *harness) asked() int { return len(h.client.Actions()) }

type warnings struct {
	sync.Mutex
	texts []string
}

func (w *warnings) AddWarning(_, text string) {
	w.Lock()
	defer w.Unlock()
	w.texts = append(w.texts, text)
}

func withWarnings(ctx context.Context) (context.Context, *warnings) {
	w := &warnings{}
	return warning.WithWarningRecorder(ctx, w), w
}

func podTemplate(image string) sandbox.PodTemplate {
	return sandbox.PodTemplate{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}}}
}

func newSandbox(name, image string) *sandbox.Sandbox {
	return &sandbox.Sandbox{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec:       sandbox.SandboxSpec{PodTemplate: podTemplate(image)},
	}
}

func newTemplate(image string) *sandbox.SandboxTemplate {
	return &sandbox.SandboxTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "python", Namespace: "default"},
		Spec:       sandbox.SandboxTemplateSpec{PodTemplate: podTemplate(image)},
	}
}

type request struct {
	obj, old    runtime.Object
	subresource string
	namespace   string
}

func (r request) attributes() admission.Attributes {
	operation := admission.Create
	if r.old != nil {
		operation = admission.Update
	}
	if r.namespace == "" {
		r.namespace = "default"
	}
	kind := schema.GroupVersionKind{Group: sandbox.GroupName, Version: "v1beta1", Kind: "Sandbox"}
	resource := kind.GroupVersion().WithResource("sandboxes")
	return admission.NewAttributesRecord(r.obj, r.old, kind, r.namespace, "", resource, r.subresource, operation, nil, false, nil)
}

func (h *harness) validate(ctx context.Context, r request) error {
	return h.plugin.Validate(ctx, r.attributes(), nil)
}

func invalidPod() error {
	return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "", field.ErrorList{
		field.Invalid(field.NewPath("spec", "containers").Index(0).Child("ports").Index(0).Child("containerPort"), 70000, "must be between 1 and 65535, inclusive"),
	})
}

// policyDenial is how a ValidatingAdmissionPolicy refuses.
func policyDenial() error {
	err := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "", errors.New("ValidatingAdmissionPolicy 'owners' denied request: no owner label"))
	err.ErrStatus.Reason = metav1.StatusReasonInvalid
	err.ErrStatus.Code = 422
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Message: "no owner label"}}
	return err
}

func TestAnswersOfTheCluster(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	tests := []struct {
		name        string
		answer      error
		wantError   string
		wantWarning string
	}{
		{name: "valid"},
		{
			name:      "invalid",
			answer:    invalidPod(),
			wantError: "spec.podTemplate.spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
		},
		{
			name:        "quota",
			answer:      apierrors.NewForbidden(pods, "sandbox-dry-run-x", errors.New("exceeded quota: small")),
			wantWarning: `spec.podTemplate: the cluster would not make this Pod now: pods "sandbox-dry-run-x" is forbidden: exceeded quota: small`,
		},
		{
			name:        "policy",
			answer:      policyDenial(),
			wantWarning: `spec.podTemplate: the cluster would not make this Pod now: pods is forbidden: ValidatingAdmissionPolicy 'owners' denied request: no owner label`,
		},
		{
			name:        "webhook without dry run",
			answer:      apierrors.NewBadRequest(`admission webhook "x" does not support dry run`),
			wantWarning: `spec.podTemplate: could not ask the cluster whether this is a valid Pod: admission webhook "x" does not support dry run`,
		},
		{
			name:        "namespace unknown over there",
			answer:      apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "default"),
			wantWarning: `spec.podTemplate: could not ask the cluster whether this is a valid Pod: namespaces "default" not found`,
		},
		{
			name:        "unreachable, with what no header may hold",
			answer:      errors.New("dial tcp:\n\tconnection refused \xff"),
			wantWarning: "spec.podTemplate: could not ask the cluster whether this is a valid Pod: dial tcp:  connection refused \uFFFD",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(func() error { return test.answer })
			for _, obj := range []runtime.Object{newSandbox("dev", "busybox"), newTemplate("busybox")} {
				ctx, warned := withWarnings(t.Context())
				err := h.validate(ctx, request{obj: obj})
				if test.wantError == "" {
					require.NoError(t, err)
				} else {
					require.True(t, apierrors.IsInvalid(err), "%v", err)
					assert.ErrorContains(t, err, test.wantError)
				}
				var want []string
				if test.wantWarning != "" {
					want = append(want, test.wantWarning)
				}
				assert.Equal(t, want, warned.texts)
			}
			assert.Equal(t, 1, h.asked(), "both objects have the same Pod")
		})
	}
}

func TestWhenTheClusterIsAsked(t *testing.T) {
	relabelled := newSandbox("dev", "busybox")
	relabelled.Labels = map[string]string{"a": "b"}
	relabelled.Spec.OperatingMode = sandbox.SandboxSuspended
	withDisk := newSandbox("dev", "busybox")
	withDisk.Spec.VolumeClaimTemplates = disks("data")
	tests := []struct {
		name    string
		request request
		want    int
	}{
		{name: "create of a sandbox", request: request{obj: newSandbox("dev", "busybox")}, want: 1},
		{name: "create of a template", request: request{obj: newTemplate("busybox")}, want: 1},
		{name: "update of the image", request: request{obj: newSandbox("dev", "new"), old: newSandbox("dev", "busybox")}, want: 1},
		{name: "update of the disks", request: request{obj: withDisk, old: newSandbox("dev", "busybox")}, want: 1},
		{name: "update of a template", request: request{obj: newTemplate("new"), old: newTemplate("busybox")}, want: 1},
		{name: "update of something else", request: request{obj: relabelled, old: newSandbox("dev", "busybox")}},
		{name: "status", request: request{obj: newSandbox("dev", "new"), old: newSandbox("dev", "busybox"), subresource: "status"}},
		{name: "suspend", request: request{obj: &sandbox.SuspendOptions{}, subresource: "suspend"}},
		{name: "pool", request: request{obj: &sandbox.SandboxWarmPool{}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(func() error { return nil })
			require.NoError(t, h.validate(t.Context(), test.request))
			assert.Equal(t, test.want, h.asked())
		})
	}
}

func TestTheQuestionIsADryRun(t *testing.T) {
	h := newHarness(func() error { return nil })
	require.NoError(t, h.validate(t.Context(), request{obj: newSandbox("dev", "busybox"), namespace: "team-a"}))
	require.Len(t, h.client.Actions(), 1)
	create, ok := h.client.Actions()[0].(clienttesting.CreateActionImpl)
	require.True(t, ok)
	assert.Equal(t, []string{metav1.DryRunAll}, create.CreateOptions.DryRun)
	assert.Equal(t, "team-a", create.GetNamespace())
	pod := create.GetObject().(*corev1.Pod)
	assert.Empty(t, pod.Name)
	assert.Empty(t, pod.OwnerReferences)
}

func TestAnswersAreRemembered(t *testing.T) {
	tests := []struct {
		name   string
		answer error
		ttl    time.Duration
	}{
		{name: "valid", ttl: 10 * time.Minute},
		{name: "invalid", answer: invalidPod(), ttl: 10 * time.Second},
		{name: "unknown", answer: errors.New("connection refused"), ttl: 10 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(func() error { return test.answer })
			ask := func(r request) {
				ctx, _ := withWarnings(t.Context())
				assert.Equal(t, apierrors.IsInvalid(test.answer), h.validate(ctx, r) != nil)
			}
			ask(request{obj: newSandbox("one", "busybox")})
			ask(request{obj: newSandbox("two", "busybox")})
			assert.Equal(t, 1, h.asked(), "another name is the same question")
			ask(request{obj: newSandbox("one", "alpine")})
			assert.Equal(t, 2, h.asked(), "another image is another question")
			ask(request{obj: newSandbox("one", "busybox"), namespace: "team-b"})
			assert.Equal(t, 3, h.asked(), "another namespace is another question")

			h.clock.SetTime(h.clock.Now().Add(test.ttl))
			ask(request{obj: newSandbox("one", "busybox")})
			assert.Equal(t, 3, h.asked(), "forgotten too early")
			h.clock.SetTime(h.clock.Now().Add(time.Nanosecond))
			ask(request{obj: newSandbox("one", "busybox")})
			assert.Equal(t, 4, h.asked(), "remembered too long")
		})
	}
}

func TestEveryAskerHearsTheOwnFields(t *testing.T) {
	h := newHarness(func() error {
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, "", field.ErrorList{
			field.Required(field.NewPath("spec", "volumes").Index(0).Child("persistentVolumeClaim"), "is bad"),
		})
	})
	plain := newSandbox("plain", "busybox")
	plain.Spec.VolumeClaimTemplates = disks("data")
	replaced := newSandbox("replaced", "busybox")
	replaced.Spec.VolumeClaimTemplates = disks("data")
	replaced.Spec.PodTemplate.Spec.Volumes = volumes("data")

	assert.ErrorContains(t, h.validate(t.Context(), request{obj: plain}), `"plain" is invalid: spec.volumeClaimTemplates[0]: `)
	assert.ErrorContains(t, h.validate(t.Context(), request{obj: replaced}), `"replaced" is invalid: spec.volumeClaimTemplates[0]: `)
	assert.Equal(t, 1, h.asked(), "a volume that a disk replaces is not in the Pod")
}

func TestRegistration(t *testing.T) {
	plugins := admission.NewPlugins()
	Register(plugins)
	assert.Equal(t, []string{"SandboxPodTemplate"}, plugins.Registered())

	plugin := New()
	assert.Error(t, plugin.ValidateInitialization())
	plugin.SetExternalKubeClientSet(fake.NewClientset())
	assert.NoError(t, plugin.ValidateInitialization())
	assert.True(t, plugin.Handles(admission.Create))
	assert.True(t, plugin.Handles(admission.Update))
	assert.False(t, plugin.Handles(admission.Delete))
}
