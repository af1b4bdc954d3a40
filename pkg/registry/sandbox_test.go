// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestSandboxIsStoredWithItsFinalizerAndWithoutAStatus(t *testing.T) {
	s := serve(t)
	given := newSandbox("dev")
	given.Status.NodeName = "forged"
	created := create(s, "sandboxes", given)

	assert.Equal(t, []string{v1beta1.SandboxFinalizer}, created.Finalizers)
	assert.EqualValues(t, 1, created.Generation)
	assert.Empty(t, created.Status)
	assert.Equal(t, created, read[*sandbox.Sandbox](s, "sandboxes", "dev"), "what was answered is what is stored")
}

func TestSandboxIsStoredAsProtobuf(t *testing.T) {
	s := serve(t)
	create(s, "sandboxes", newSandbox("dev"))
	response, err := s.etcd.KV.Get(s.ctx, "/registry/sandbox.agents.x-k8s.io/sandboxes/team/dev")
	require.NoError(t, err)
	require.Len(t, response.Kvs, 1)
	assert.Equal(t, "k8s\x00", string(response.Kvs[0].Value[:4]))
}

func TestSandboxUpdates(t *testing.T) {
	s := serve(t)
	create(s, "sandboxes", newSandbox("dev"))

	for _, c := range []struct {
		name       string
		resource   string
		change     func(*sandbox.Sandbox)
		generation int64
		image      string
		node       string
	}{
		{"labels keep the generation", "sandboxes", func(o *sandbox.Sandbox) { o.Labels = map[string]string{"a": "b"} }, 1, "agent:1", ""},
		{"a spec moves the generation", "sandboxes", func(o *sandbox.Sandbox) { o.Spec.PodTemplate.Spec.Containers[0].Image = "agent:2" }, 2, "agent:2", ""},
		{"the main resource does not write the status", "sandboxes", func(o *sandbox.Sandbox) { o.Status.NodeName = "n" }, 2, "agent:2", ""},
		{"status writes the status", "sandboxes/status", func(o *sandbox.Sandbox) { o.Status.NodeName = "n" }, 2, "agent:2", "n"},
		{"status writes nothing else", "sandboxes/status", func(o *sandbox.Sandbox) {
			o.Spec.PodTemplate.Spec.Containers[0].Image = "agent:3"
			o.Labels, o.Finalizers = nil, nil
		}, 2, "agent:2", "n"},
	} {
		_, err := update(s, c.resource, "dev", c.change)
		require.NoError(t, err, c.name)
		stored := read[*sandbox.Sandbox](s, "sandboxes", "dev")
		assert.Equal(t, c.generation, stored.Generation, c.name)
		assert.Equal(t, c.image, stored.Spec.PodTemplate.Spec.Containers[0].Image, c.name)
		assert.Equal(t, c.node, stored.Status.NodeName, c.name)
		assert.Equal(t, map[string]string{"a": "b"}, stored.Labels, c.name)
		assert.Equal(t, []string{v1beta1.SandboxFinalizer}, stored.Finalizers, c.name)
	}
}

func TestSandboxFieldSelectors(t *testing.T) {
	s := serve(t)
	create(s, "sandboxes", newSandbox("dev"))
	asleep := newSandbox("asleep")
	asleep.Spec.OperatingMode = sandbox.SandboxSuspended
	create(s, "sandboxes", asleep)
	_, err := update(s, "sandboxes/status", "dev", func(o *sandbox.Sandbox) { o.Status.NodeName = "node-1" })
	require.NoError(t, err)

	for selector, want := range map[string][]string{
		"spec.operatingMode=Suspended": {"asleep"},
		"spec.operatingMode!=Running":  {"asleep"},
		"status.nodeName=node-1":       {"dev"},
		"spec.claimRef.name=":          {"asleep", "dev"},
		"metadata.name=dev":            {"dev"},
		"spec.claimRef.name=nobody":    {},
	} {
		list, err := s.storage["sandboxes"].(rest.Lister).List(s.on("sandboxes"),
			&metainternalversion.ListOptions{FieldSelector: fields.ParseSelectorOrDie(selector)})
		require.NoError(t, err, selector)
		names := []string{}
		for _, item := range list.(*sandbox.SandboxList).Items {
			names = append(names, item.Name)
		}
		assert.ElementsMatch(t, want, names, selector)
	}
}

// post calls an action with a body.
func (s *served) post(action, name string, body runtime.Object, dryRun ...string) (*sandbox.Sandbox, error) {
	s.Helper()
	obj, err := s.storage[action].(rest.NamedCreater).Create(s.on("sandboxes"), name, body, rest.ValidateAllObjectFunc, &metav1.CreateOptions{DryRun: dryRun})
	if err != nil {
		return nil, err
	}
	return obj.(*sandbox.Sandbox), nil
}

func TestSuspendAndResume(t *testing.T) {
	s := serve(t)
	create(s, "sandboxes", newSandbox("dev"))

	suspended, err := s.post("sandboxes/suspend", "dev", &sandbox.SuspendOptions{})
	require.NoError(t, err)
	assert.Equal(t, sandbox.SandboxSuspended, suspended.Spec.OperatingMode)
	assert.EqualValues(t, 2, suspended.Generation)

	before := s.revision()
	again, err := s.post("sandboxes/suspend", "dev", &sandbox.SuspendOptions{})
	require.NoError(t, err)
	assert.Equal(t, suspended.ResourceVersion, again.ResourceVersion)
	dry, err := s.post("sandboxes/resume", "dev", &sandbox.ResumeOptions{}, metav1.DryRunAll)
	require.NoError(t, err)
	assert.Equal(t, sandbox.SandboxRunning, dry.Spec.OperatingMode)
	assert.Equal(t, before, s.revision(), "neither a repetition nor a dry run writes")

	resumed, err := s.post("sandboxes/resume", "dev", &sandbox.ResumeOptions{Preconditions: &metav1.Preconditions{
		UID: &again.UID, ResourceVersion: &again.ResourceVersion,
	}})
	require.NoError(t, err)
	assert.Equal(t, sandbox.SandboxRunning, resumed.Spec.OperatingMode)
}

func TestActionsAreRefused(t *testing.T) {
	s := serve(t)
	create(s, "sandboxes", newSandbox("dev"))
	create(s, "sandboxes", newSandbox("finished"))
	_, err := update(s, "sandboxes/status", "finished", func(o *sandbox.Sandbox) {
		o.Status.Conditions = []metav1.Condition{{Type: v1beta1.ConditionFinished, Status: metav1.ConditionTrue, Reason: v1beta1.ReasonPodFailed, LastTransitionTime: metav1.Now()}}
	})
	require.NoError(t, err)
	create(s, "sandboxes", newSandbox("leaving"))
	_, _, err = s.storage["sandboxes"].(rest.GracefulDeleter).Delete(s.on("sandboxes"), "leaving", rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
	require.NoError(t, err)
	expiring := newSandbox("expiring")
	expiring.Spec.ShutdownTime = ptr.To(metav1.NewTime(time.Now().Add(time.Second)))
	create(s, "sandboxes", expiring)
	require.Eventually(t, func() bool { return time.Now().After(expiring.Spec.ShutdownTime.Time) }, 10*time.Second, 10*time.Millisecond)

	foreign := &metav1.Preconditions{UID: ptr.To[types.UID]("another")}
	stale := &metav1.Preconditions{ResourceVersion: ptr.To("1")}
	before := s.revision()
	for _, c := range []struct {
		name string
		body runtime.Object
		want func(error) bool
		says string
	}{
		{"dev", &sandbox.SuspendOptions{Preconditions: foreign}, apierrors.IsConflict, "preconditions.uid"},
		{"dev", &sandbox.SuspendOptions{Preconditions: stale}, apierrors.IsConflict, "preconditions.resourceVersion"},
		{"dev", &sandbox.SuspendOptions{ObjectMeta: metav1.ObjectMeta{Name: "other"}}, apierrors.IsBadRequest, `"other"`},
		{"dev", &sandbox.ResumeOptions{}, apierrors.IsBadRequest, "SuspendOptions"},
		{"finished", &sandbox.SuspendOptions{}, apierrors.IsConflict, "finished"},
		{"leaving", &sandbox.SuspendOptions{}, apierrors.IsConflict, "being deleted"},
		{"expiring", &sandbox.SuspendOptions{}, apierrors.IsConflict, "expired"},
		{"nobody", &sandbox.SuspendOptions{}, apierrors.IsNotFound, "nobody"},
	} {
		_, err := s.post("sandboxes/suspend", c.name, c.body)
		require.Error(t, err, c.name)
		assert.True(t, c.want(err), "%s: %v", c.name, err)
		assert.ErrorContains(t, err, c.says)
	}
	assert.Equal(t, before, s.revision(), "a refusal writes nothing")
}
