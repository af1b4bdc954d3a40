// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ready := ns.WaitReady("dev")

	suspended, err := ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, v1beta1.SandboxSuspended, suspended.Spec.OperatingMode)
	assert.Equal(t, ready.Generation+1, suspended.Generation)
	assert.Equal(t, ready.UID, suspended.UID)
	settled := ns.WaitSuspended("dev")

	again, err := ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, settled.ResourceVersion, again.ResourceVersion, "a second suspend writes nothing")
	assert.Equal(t, settled.ResourceVersion, ns.Get("dev").ResourceVersion)

	resumed, err := ns.Sandboxes().Resume(t.Context(), "dev", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, v1beta1.SandboxRunning, resumed.Spec.OperatingMode)
	settled = ns.WaitReady("dev")
	again, err = ns.Sandboxes().Resume(t.Context(), "dev", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, settled.ResourceVersion, again.ResourceVersion, "a second resume writes nothing")
}

func TestPreconditionsThatHold(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ready := ns.WaitReady("dev")
	preconditions := &metav1.Preconditions{UID: &ready.UID, ResourceVersion: &ready.ResourceVersion}
	suspended, err := ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{Preconditions: preconditions}, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, v1beta1.SandboxSuspended, suspended.Spec.OperatingMode)

	_, err = ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{Preconditions: preconditions}, metav1.CreateOptions{})
	assertRefused(t, err, conflict(ready.ResourceVersion))
}

// TestActionBodies sends what curl and kubectl --raw would.
func TestActionBodies(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.Suspended))
	ns.WaitSuspended("dev")
	const json, yaml, suspend, resume = "application/json", "application/yaml", "sandboxes/dev/suspend", "sandboxes/dev/resume"
	const options = `{"apiVersion":"sandbox.agents.x-k8s.io/v1beta1","kind":"SuspendOptions"}`
	for name, tc := range map[string]struct {
		request harness.Request
		code    int
		says    string
	}{
		"nothing at all":           {harness.Request{Path: suspend}, 201, `"operatingMode":"Suspended"`},
		"nothing, of a type":       {harness.Request{Path: suspend, ContentType: json}, 201, `"kind":"Sandbox"`},
		"nothing, of another type": {harness.Request{Path: suspend, ContentType: "application/vnd.kubernetes.protobuf"}, 201, `"kind":"Sandbox"`},
		"an empty object":          {harness.Request{Path: suspend, Body: "{}", ContentType: json}, 201, `"kind":"Sandbox"`},
		"an object of no type":     {harness.Request{Path: suspend, Body: "{}"}, 201, `"kind":"Sandbox"`},
		"options":                  {harness.Request{Path: suspend, Body: options, ContentType: json}, 201, `"kind":"Sandbox"`},
		"options in YAML":          {harness.Request{Path: suspend, Body: "kind: SuspendOptions\napiVersion: sandbox.agents.x-k8s.io/v1beta1\n", ContentType: yaml}, 201, `"kind":"Sandbox"`},
		"an answer in YAML":        {harness.Request{Path: suspend, Accept: yaml}, 201, "operatingMode: Suspended"},
		"its own name":             {harness.Request{Path: suspend, Body: `{"metadata":{"name":"dev"}}`, ContentType: json}, 201, `"kind":"Sandbox"`},
		"another name":             {harness.Request{Path: suspend, Body: `{"metadata":{"name":"other"}}`, ContentType: json}, 400, "other"},
		"another kind":             {harness.Request{Path: resume, Body: options, ContentType: json}, 400, "SuspendOptions"},
		"a Pod":                    {harness.Request{Path: suspend, Body: `{"apiVersion":"v1","kind":"Pod"}`, ContentType: json}, 400, "Pod"},
		"no JSON":                  {harness.Request{Path: suspend, Body: "please", ContentType: json}, 400, "SuspendOptions"},
		"an unknown field":         {harness.Request{Path: suspend + "?fieldValidation=Strict", Body: `{"force":true}`, ContentType: json}, 400, "force"},
		"a dry run of no kind":     {harness.Request{Path: suspend + "?dryRun=Some", Body: "{}", ContentType: json}, 422, "dryRun"},
		"an unknown Sandbox":       {harness.Request{Path: "sandboxes/nobody/suspend"}, 404, "nobody"},
		"an unknown action":        {harness.Request{Path: "sandboxes/dev/explode"}, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tc.request.Method = "POST"
			answer := ns.For(t).Do(tc.request)
			assert.Equal(t, tc.code, answer.Code, answer.Body)
			assert.Contains(t, answer.Body, tc.says)
		})
	}
	assert.Equal(t, 405, ns.Do(harness.Request{Method: "GET", Path: suspend}).Code)
	assert.Equal(t, v1beta1.SandboxSuspended, ns.Get("dev").Spec.OperatingMode)
}

func TestActionsOfKubectl(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ready := ns.WaitReady("dev")
	body, err := json.Marshal(v1beta1.SuspendOptions{
		TypeMeta:      metav1.TypeMeta{APIVersion: v1beta1.SchemeGroupVersion.String(), Kind: "SuspendOptions"},
		Preconditions: &metav1.Preconditions{UID: &ready.UID},
	})
	require.NoError(t, err)
	answer := ns.MustKubectl(string(body), "create", "--raw", ns.Path("sandboxes/dev/suspend"), "-f", "-")
	sandbox := &v1beta1.Sandbox{}
	require.NoError(t, json.Unmarshal([]byte(answer), sandbox))
	assert.Equal(t, v1beta1.SandboxSuspended, sandbox.Spec.OperatingMode)

	body, err = json.Marshal(v1beta1.ResumeOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(types.UID("another"))}})
	require.NoError(t, err)
	_, err = ns.Kubectl(string(body), "create", "--raw", ns.Path("sandboxes/dev/resume"), "-f", "-")
	require.Error(t, err)
	assert.Contains(t, err.Error(), `preconditions.uid is "another"`)
}

// TestActionsNeedRightsOfTheirOwn: who may edit may not suspend, and the other way round.
func TestActionsNeedRightsOfTheirOwn(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	editor, operator := ns.Name+"-editor", ns.Name+"-operator"
	bind(ns, editor, "edit")
	bind(ns, operator, "sandbox-operator")
	ns.Create(harness.Sandbox("dev", harness.Suspended))
	ns.WaitSuspended("dev")

	for _, tc := range []struct {
		user, verb, resource string
		want                 bool
	}{
		{editor, "create", "sandboxes", true},
		{editor, "update", "sandboxes", true},
		{editor, "update", "sandboxwarmpools/scale", true},
		{editor, "update", "sandboxes/status", false},
		{editor, "create", "sandboxes/suspend", false},
		{editor, "create", "sandboxes/resume", false},
		{operator, "create", "sandboxes/suspend", true},
		{operator, "create", "sandboxes/resume", true},
		{operator, "update", "sandboxes", false},
		{operator, "create", "sandboxes", false},
		{operator, "delete", "sandboxes", false},
	} {
		resource, subresource, _ := strings.Cut(tc.resource, "/")
		out, err := ns.Kubectl("", "auth", "can-i", tc.verb, resource+".sandbox.agents.x-k8s.io", "--subresource", subresource, "--as", tc.user)
		assert.Equal(t, tc.want, err == nil, "%s %s %s: %s %v", tc.user, tc.verb, tc.resource, out, err)
	}

	edits, operates := env.As(t, editor).SandboxV1beta1().Sandboxes(ns.Name), env.As(t, operator).SandboxV1beta1().Sandboxes(ns.Name)
	_, err := edits.Resume(t.Context(), "dev", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	assertRefused(t, err, refusal{code: 403, says: []string{editor, "sandboxes/resume"}})
	_, err = edits.Patch(t.Context(), "dev", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	_, err = operates.Patch(t.Context(), "dev", types.MergePatchType, []byte(`{"spec":{"operatingMode":"Running"}}`), metav1.PatchOptions{})
	assert.True(t, apierrors.IsForbidden(err), "%v", err)
	resumed, err := operates.Resume(t.Context(), "dev", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	assert.Equal(t, v1beta1.SandboxRunning, resumed.Spec.OperatingMode)
	_, err = operates.Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = env.As(t, ns.Name+"-nobody").SandboxV1beta1().Sandboxes(ns.Name).Get(t.Context(), "dev", metav1.GetOptions{})
	assert.True(t, apierrors.IsForbidden(err), "%v", err)
}

// bind gives a user a ClusterRole in the namespace and waits until it counts: roles are
// aggregated, and looked at through caches.
func bind(ns *harness.Space, user, role string) {
	ns.T.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	_, err := ns.Kube.RbacV1().RoleBindings(ns.Name).Create(ns.T.Context(), binding, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	ns.Eventually(user+" may list Sandboxes", func() error {
		_, err := ns.Kubectl("", "auth", "can-i", "list", "sandboxes.sandbox.agents.x-k8s.io", "--as", user)
		return err
	})
}
