// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestCRUD goes once around each kind with a client that knows no types.
func TestCRUD(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	poolOf(ns, "p")
	for resource, object := range map[string]metav1.Object{
		"sandboxes":        harness.Sandbox("one", harness.Suspended),
		"sandboxtemplates": harness.Template("one"),
		"sandboxwarmpools": harness.Pool("one", "one"),
		"sandboxclaims":    harness.Claim("one", "p"),
	} {
		t.Run(resource, func(t *testing.T) {
			client := ns.Dynamic.Resource(v1beta1.SchemeGroupVersion.WithResource(resource)).Namespace(ns.Name)
			body := toUnstructured(t, object)
			created, err := client.Create(t.Context(), body, metav1.CreateOptions{})
			require.NoError(t, err)
			assert.EqualValues(t, 1, created.GetGeneration())
			assert.NotEmpty(t, created.GetUID())
			_, err = client.Create(t.Context(), body, metav1.CreateOptions{})
			assert.True(t, apierrors.IsAlreadyExists(err), "a second of that name: %v", err)

			got, err := client.Get(t.Context(), "one", metav1.GetOptions{})
			require.NoError(t, err)
			got.SetLabels(map[string]string{"updated": "yes"})
			got.SetResourceVersion("")
			updated, err := client.Update(t.Context(), got, metav1.UpdateOptions{})
			require.NoError(t, err)
			assert.EqualValues(t, 1, updated.GetGeneration(), "labels are no new generation")

			list, err := client.List(t.Context(), metav1.ListOptions{LabelSelector: "updated=yes"})
			require.NoError(t, err)
			require.Len(t, list.Items, 1)
			assert.Equal(t, created.GetUID(), list.Items[0].GetUID())
			empty, err := client.List(t.Context(), metav1.ListOptions{LabelSelector: "updated=no"})
			require.NoError(t, err)
			assert.Empty(t, empty.Items)

			require.NoError(t, client.Delete(t.Context(), "one", metav1.DeleteOptions{}))
			ns.For(t).WaitGone(resource+"/one", func(ctx context.Context) error {
				_, err := client.Get(ctx, "one", metav1.GetOptions{})
				return err
			})
		})
	}
}

func toUnstructured(t *testing.T, object any) *unstructured.Unstructured {
	t.Helper()
	raw, err := json.Marshal(object)
	require.NoError(t, err)
	content := map[string]any{}
	require.NoError(t, json.Unmarshal(raw, &content))
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(kindOf(object))
	return u
}

func TestGenerateName(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	sandbox := harness.Sandbox("", harness.Suspended)
	sandbox.GenerateName = "agent-"
	first, second := ns.Create(sandbox), ns.Create(sandbox)
	assert.Regexp(t, "^agent-.{5}$", first.Name)
	assert.NotEqual(t, first.Name, second.Name)

	// The longest prefix still gives a DNS label.
	sandbox.GenerateName = "a123456789b123456789c123456789d123456789e123456789f123456789-"
	assert.LessOrEqual(t, len(ns.Create(sandbox).Name), 63)
}

func TestGenerationAndStatusAreTheServers(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	sandbox := harness.Sandbox("dev", harness.Suspended)
	sandbox.Generation, sandbox.Status.PodName = 7, "forged"
	created := ns.Create(sandbox)
	assert.EqualValues(t, 1, created.Generation)
	assert.Empty(t, created.Status)
	assert.Equal(t, []string{v1beta1.SandboxFinalizer}, created.Finalizers)

	ns.WaitSuspended("dev")
	patch := []byte(`{"spec":{"service":true},"status":{"podName":"forged"}}`)
	patched, err := ns.Sandboxes().Patch(t.Context(), "dev", types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
	assert.EqualValues(t, 2, patched.Generation)
	assert.Empty(t, patched.Status.PodName)
	ns.WaitSuspended("dev")
}

func TestPatches(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.Suspended, func(s *v1beta1.Sandbox) {
		s.Spec.PodTemplate.Spec.Containers = append(s.Spec.PodTemplate.Spec.Containers, corev1.Container{
			Name: "side", Image: "side:1", Env: []corev1.EnvVar{{Name: "A", Value: "1"}},
		})
	}))
	patch := func(how types.PatchType, body string) *v1beta1.Sandbox {
		t.Helper()
		patched, err := ns.Sandboxes().Patch(t.Context(), "dev", how, []byte(body), metav1.PatchOptions{})
		require.NoError(t, err)
		return patched
	}
	strategic := patch(types.StrategicMergePatchType,
		`{"spec":{"podTemplate":{"spec":{"containers":[{"name":"side","env":[{"name":"B","value":"2"}]}]}}}}`)
	containers := strategic.Spec.PodTemplate.Spec.Containers
	require.Len(t, containers, 2, "containers are merged by name")
	side := containers[slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == "side" })]
	assert.Equal(t, "side:1", side.Image)
	assert.ElementsMatch(t, []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}, side.Env)

	merged := patch(types.MergePatchType, `{"metadata":{"labels":{"team":"a"}},"spec":{"podTemplate":{"spec":{"containers":[{"name":"only","image":"only:1"}]}}}}`)
	require.Len(t, merged.Spec.PodTemplate.Spec.Containers, 1, "a JSON merge patch replaces lists")
	assert.Equal(t, "a", merged.Labels["team"])

	replaced := patch(types.JSONPatchType, `[{"op":"test","path":"/spec/podTemplate/spec/containers/0/name","value":"only"},`+
		`{"op":"replace","path":"/spec/podTemplate/spec/containers/0/image","value":"only:2"}]`)
	assert.Equal(t, "only:2", replaced.Spec.PodTemplate.Spec.Containers[0].Image)

	_, err := ns.Sandboxes().Patch(t.Context(), "dev", types.JSONPatchType, []byte(`[{"op":"test","path":"/spec/operatingMode","value":"Running"}]`), metav1.PatchOptions{})
	assertRefused(t, err, refusal{code: 422})
	out := ns.MustKubectl("", "patch", "sandbox", "dev", "--type", "strategic", "--patch", `{"spec":{"podTemplate":{"spec":{"containers":[{"name":"only","tty":true}]}}}}`)
	assert.Contains(t, out, "sandbox.agents.x-k8s.io/dev patched")
	assert.Equal(t, "only:2", mainContainer(ns.Get("dev")).Image)
	assert.True(t, mainContainer(ns.Get("dev")).TTY)
}

func TestDeleteCollection(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	for _, name := range []string{"a1", "a2", "b1"} {
		ns.Create(harness.Sandbox(name, harness.Suspended, harness.WithLabel("group", name[:1])))
	}
	require.NoError(t, ns.Sandboxes().DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "group=a"}))
	ns.WaitGone("a1", ns.GetSandbox("a1"))
	ns.WaitGone("a2", ns.GetSandbox("a2"))
	assert.Nil(t, ns.Get("b1").DeletionTimestamp)
}

func TestFieldSelectors(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("awake"))
	ns.Create(harness.Sandbox("asleep", harness.Suspended))
	poolOf(ns, "p1")
	poolOf(ns, "p2")
	require.NoError(t, create(ns, harness.Claim("c1", "p1")))
	require.NoError(t, create(ns, harness.Claim("c2", "p2")))
	node := ns.WaitReady("awake").Status.NodeName
	ns.WaitSuspended("asleep")

	for _, tc := range []struct {
		resource, selector string
		want               []string
	}{
		{"sandboxes", "metadata.name=awake", []string{"awake"}},
		{"sandboxes", "spec.operatingMode=Suspended", []string{"asleep"}},
		{"sandboxes", "spec.operatingMode!=Suspended", []string{"awake"}},
		{"sandboxes", "spec.claimRef.name=", []string{"asleep", "awake"}},
		{"sandboxes", "spec.claimRef.name=nobody", nil},
		{"sandboxes", "status.nodeName=" + node, []string{"awake"}},
		{"sandboxes", "status.nodeName=,metadata.namespace=" + ns.Name, []string{"asleep"}},
		{"sandboxclaims", "spec.warmPoolRef.name=p2", []string{"c2"}},
		{"sandboxwarmpools", "spec.sandboxTemplateRef.name=p1", []string{"p1"}},
		{"sandboxtemplates", "metadata.name!=p1", []string{"p2"}},
	} {
		t.Run(tc.resource+" "+tc.selector, func(t *testing.T) {
			client := ns.Dynamic.Resource(v1beta1.SchemeGroupVersion.WithResource(tc.resource)).Namespace(ns.Name)
			list, err := client.List(t.Context(), metav1.ListOptions{FieldSelector: tc.selector})
			require.NoError(t, err)
			var names []string
			for i := range list.Items {
				names = append(names, list.Items[i].GetName())
			}
			assert.ElementsMatch(t, tc.want, names)
			assert.Equal(t, tc.want, watched(ns.For(t), tc.resource, tc.selector), "a watch selects the same")
		})
	}
	_, err := ns.Sandboxes().List(t.Context(), metav1.ListOptions{FieldSelector: "spec.podTemplate=x"})
	assertRefused(t, err, refusal{code: 400, says: []string{"spec.podTemplate"}})
}

func TestListInPages(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	want := []string{"s0", "s1", "s2", "s3", "s4"}
	for _, name := range want {
		ns.Create(harness.Sandbox(name, harness.Suspended))
	}
	var names []string
	var pages int
	options := metav1.ListOptions{Limit: 2}
	for more := true; more; more = options.Continue != "" {
		list, err := ns.Sandboxes().List(t.Context(), options)
		require.NoError(t, err)
		pages++
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
		options.Continue = list.Continue
	}
	assert.Equal(t, want, names)
	assert.Equal(t, 3, pages)
	_, err := ns.Sandboxes().List(t.Context(), metav1.ListOptions{Limit: 2, Continue: "rubbish"})
	assertRefused(t, err, refusal{code: 400})
}

func TestScale(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	poolOf(ns, "pool")
	scale, err := ns.Pools().GetScale(t.Context(), "pool", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Zero(t, scale.Spec.Replicas)

	scale.Spec.Replicas, scale.ResourceVersion = 1, ""
	scaled, err := ns.Pools().UpdateScale(t.Context(), "pool", scale, metav1.UpdateOptions{})
	require.NoError(t, err)
	assert.EqualValues(t, 1, scaled.Spec.Replicas)
	pool, err := ns.Pools().Get(t.Context(), "pool", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, ptr.To(int32(1)), pool.Spec.Replicas)
	assert.EqualValues(t, 2, pool.Generation)

	assert.Contains(t, ns.MustKubectl("", "scale", "swp/pool", "--replicas=2", "--current-replicas=1"), "scaled")
	require.NoError(t, patchScale(t.Context(), ns, 3))
	pool, err = ns.Pools().Get(t.Context(), "pool", metav1.GetOptions{})
	require.NoError(t, err)
	assert.Equal(t, ptr.To(int32(3)), pool.Spec.Replicas)

	stale := scale.DeepCopy()
	stale.UID = "11111111-2222-3333-4444-555555555555"
	_, err = ns.Pools().UpdateScale(t.Context(), "pool", stale, metav1.UpdateOptions{})
	assertRefused(t, err, conflict(string(stale.UID)))
	_, err = ns.Pools().GetScale(t.Context(), "nobody", metav1.GetOptions{})
	assertRefused(t, err, refusal{code: 404, says: []string{"nobody"}})
}

// patchScale scales the pool "pool" as manager "scaler". It needs a client that does not mind that the answer is of another kind.
func patchScale(ctx context.Context, ns *harness.Space, replicas int) error {
	client := ns.Dynamic.Resource(v1beta1.SchemeGroupVersion.WithResource("sandboxwarmpools")).Namespace(ns.Name)
	patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, replicas)
	_, err := client.Patch(ctx, "pool", types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "scaler"}, "scale")
	return err
}

// TestManyWritesAtOnce: nothing paces a client, and none of its writes is lost on the
// way, though kube-apiserver sends them all over one connection and each name is
// authorized by itself.
func TestManyWritesAtOnce(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	user := ns.Name + "-editor"
	bind(ns, user, "edit")
	templates := env.As(t, user).SandboxV1beta1().SandboxTemplates(ns.Name)
	const clients, each = 10, 50
	var running sync.WaitGroup
	for client := range clients {
		running.Go(func() {
			for i := range each {
				_, err := templates.Create(t.Context(), harness.Template(fmt.Sprintf("t-%d-%d", client, i)), metav1.CreateOptions{})
				assert.NoError(t, err)
			}
		})
	}
	running.Wait()
	list, err := ns.Templates().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Len(t, list.Items, clients*each)
}

// TestDryRun counts revisions of etcd: a dry run makes none. Others write as well, so
// one quiet moment is enough; a dry run that stores would spoil each of them.
func TestDryRun(t *testing.T) {
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	ns.WaitReady("dev")
	revision := func() string {
		t.Helper()
		list, err := ns.Sandboxes().List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		return list.ResourceVersion
	}
	for name, act := range dryRuns(ns) {
		t.Run(name, func(t *testing.T) {
			before := stored(ns.For(t))
			ns.For(t).Eventually("a dry run leaves the revision of etcd alone", func() error {
				first := revision()
				require.NoError(t, act())
				if last := revision(); last != first {
					return fmt.Errorf("it went from %s to %s", first, last)
				}
				return nil
			})
			after := stored(ns.For(t))
			assert.ElementsMatch(t, slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
		})
	}
	sandbox := ns.Get("dev")
	assert.Equal(t, v1beta1.SandboxRunning, sandbox.Spec.OperatingMode)
	assert.Nil(t, sandbox.DeletionTimestamp)
	assert.Equal(t, types.UID(ns.Pod("dev").Labels[v1beta1.SandboxUIDLabel]), sandbox.UID)
}

func dryRuns(ns *harness.Space) map[string]func() error {
	ctx, all := ns.T.Context(), []string{metav1.DryRunAll}
	return map[string]func() error{
		"create": func() error {
			created, err := ns.Sandboxes().Create(ctx, harness.Sandbox("other"), metav1.CreateOptions{DryRun: all})
			assert.Equal(ns.T, v1beta1.SandboxRunning, created.Spec.OperatingMode, "the answer is what would have been stored")
			return err
		},
		"update": func() error {
			sandbox, err := ns.Sandboxes().Get(ctx, "dev", metav1.GetOptions{})
			if err != nil {
				return err
			}
			sandbox.Spec.Service = ptr.To(true)
			_, err = ns.Sandboxes().Update(ctx, sandbox, metav1.UpdateOptions{DryRun: all})
			return err
		},
		"patch": func() error {
			_, err := ns.Sandboxes().Patch(ctx, "dev", types.MergePatchType, []byte(`{"spec":{"service":true}}`), metav1.PatchOptions{DryRun: all})
			return err
		},
		"delete": func() error {
			return ns.Sandboxes().Delete(ctx, "dev", metav1.DeleteOptions{DryRun: all})
		},
		"deletecollection": func() error {
			return ns.Sandboxes().DeleteCollection(ctx, metav1.DeleteOptions{DryRun: all}, metav1.ListOptions{})
		},
		"suspend": func() error {
			sandbox, err := ns.Sandboxes().Suspend(ctx, "dev", &v1beta1.SuspendOptions{}, metav1.CreateOptions{DryRun: all})
			assert.Equal(ns.T, v1beta1.SandboxSuspended, sandbox.Spec.OperatingMode, "the answer is what would have been stored")
			return err
		},
		"resume": func() error {
			_, err := ns.Sandboxes().Resume(ctx, "dev", &v1beta1.ResumeOptions{}, metav1.CreateOptions{DryRun: all})
			return err
		},
		"kubectl apply": func() error {
			_, err := ns.Kubectl(manifest("other"), "apply", "--server-side", "--dry-run=server", "-f", "-")
			return err
		},
	}
}
