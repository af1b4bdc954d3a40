// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// specOf returns what nobody but a user changes.
func specOf(ns *harness.Space, name string) (int64, v1beta1.SandboxSpec) {
	ns.T.Helper()
	sandbox := ns.Get(name)
	return sandbox.Generation, sandbox.Spec
}

func TestRefusedChangesOfASandbox(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", harness.Suspended, harness.WithDisk("data")))
	for name, tc := range map[string]struct {
		change func(*v1beta1.Sandbox)
		want   refusal
	}{
		"another disk": {
			harness.WithDisk("more"), invalid("spec.volumeClaimTemplates", "immutable", "create another Sandbox"),
		},
		"no disks": {
			func(s *v1beta1.Sandbox) {
				s.Spec.VolumeClaimTemplates, s.Spec.PodTemplate.Spec.Containers[0].VolumeMounts = nil, nil
			},
			invalid("spec.volumeClaimTemplates", "immutable"),
		},
		"a claimRef": {
			func(s *v1beta1.Sandbox) { s.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: "mine", UID: "1"} },
			invalid("spec.claimRef", "Forbidden"),
		},
		"a time in the past": {
			func(s *v1beta1.Sandbox) { s.Spec.ShutdownTime = ptr.To(metav1.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)) },
			invalid("spec.shutdownTime", "2020-02-03T04:05:06Z", "future"),
		},
		"a mode that is none": {
			func(s *v1beta1.Sandbox) { s.Spec.OperatingMode = "Paused" }, invalid("spec.operatingMode", `"Paused"`, `"Suspended"`),
		},
		"a Pod that the cluster refuses": {
			func(s *v1beta1.Sandbox) { mainContainer(s).Ports = []corev1.ContainerPort{{ContainerPort: 70000}} },
			invalid("spec.podTemplate.spec.containers[0].ports[0].containerPort", "70000", "between 1 and 65535"),
		},
		"another UID": {
			func(s *v1beta1.Sandbox) { s.UID = "11111111-2222-3333-4444-555555555555" }, conflict("11111111-2222-3333-4444-555555555555"),
		},
		"an old resourceVersion": {
			func(s *v1beta1.Sandbox) { s.ResourceVersion, s.Spec.Service = "1", ptr.To(true) }, conflict("modified"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			ns := ns.For(t)
			generation, spec := specOf(ns, "dev")
			sandbox := ns.Get("dev")
			sandbox.ResourceVersion = "" // the controller writes the status meanwhile
			tc.change(sandbox)
			_, err := ns.Sandboxes().Update(t.Context(), sandbox, metav1.UpdateOptions{})
			assertRefused(t, err, tc.want)
			nowGeneration, nowSpec := specOf(ns, "dev")
			assert.Equal(t, generation, nowGeneration)
			assert.Equal(t, spec, nowSpec)
		})
	}
	t.Run("a PUT of an unknown name", func(t *testing.T) {
		_, err := ns.Sandboxes().Update(t.Context(), harness.Sandbox("nobody"), metav1.UpdateOptions{})
		assertRefused(t, err, refusal{code: 404, says: []string{`"nobody"`}})
	})
	t.Run("a spec through the status", func(t *testing.T) {
		patch := []byte(`{"spec":{"claimRef":{"name":"mine","uid":"1"},"operatingMode":"Running"}}`)
		_, err := ns.Sandboxes().Patch(t.Context(), "dev", types.MergePatchType, patch, metav1.PatchOptions{}, "status")
		require.NoError(t, err)
		_, spec := specOf(ns.For(t), "dev")
		assert.Nil(t, spec.ClaimRef)
		assert.Equal(t, v1beta1.SandboxSuspended, spec.OperatingMode)
	})
}

func TestRefusedChangesOfAClaim(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	poolOf(ns, "pool")
	require.NoError(t, create(ns, harness.Claim("mine", "pool", func(c *v1beta1.SandboxClaim) {
		c.Spec.AdditionalPodMetadata.Labels = map[string]string{"a": "b"}
	})))
	for field, change := range map[string]func(*v1beta1.SandboxClaim){
		"spec.warmPoolRef":           func(c *v1beta1.SandboxClaim) { c.Spec.WarmPoolRef.Name = "other" },
		"spec.additionalPodMetadata": func(c *v1beta1.SandboxClaim) { c.Spec.AdditionalPodMetadata.Labels["a"] = "c" },
		"spec.env":                   func(c *v1beta1.SandboxClaim) { c.Spec.Env = []v1beta1.SandboxEnvVar{{Name: "A", Value: "b"}} },
		"spec.volumeClaimTemplates": func(c *v1beta1.SandboxClaim) {
			c.Spec.VolumeClaimTemplates = []v1beta1.PersistentVolumeClaimTemplate{harness.DiskTemplate("data")}
		},
		"spec.onEmptyPool": func(c *v1beta1.SandboxClaim) { c.Spec.OnEmptyPool = v1beta1.OnEmptyPoolReject },
	} {
		t.Run(field, func(t *testing.T) {
			claim, err := ns.Claims().Get(t.Context(), "mine", metav1.GetOptions{})
			require.NoError(t, err)
			before := claim.DeepCopy()
			claim.ResourceVersion = ""
			change(claim)
			_, err = ns.Claims().Update(t.Context(), claim, metav1.UpdateOptions{})
			assertRefused(t, err, invalid(field, "immutable", "another claim"))
			after, err := ns.Claims().Get(t.Context(), "mine", metav1.GetOptions{})
			require.NoError(t, err)
			assert.Equal(t, before.Spec, after.Spec)
		})
	}
}

// poolOf makes a template and a pool without replicas.
func poolOf(ns *harness.Space, name string) *v1beta1.SandboxWarmPool {
	ns.T.Helper()
	_, err := ns.Templates().Create(ns.T.Context(), harness.Template(name), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	pool, err := ns.Pools().Create(ns.T.Context(), harness.Pool(name, name), metav1.CreateOptions{})
	require.NoError(ns.T, err)
	return pool
}

func TestRefusedReplicas(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	poolOf(ns, "pool")
	for _, replicas := range []int32{-1, maxPoolReplicas + 1, 2147483647} {
		value := fmt.Sprint(replicas)
		for how, write := range map[string]func(context.Context) error{
			"update": func(ctx context.Context) error {
				pool, err := ns.Pools().Get(ctx, "pool", metav1.GetOptions{})
				require.NoError(t, err)
				pool.Spec.Replicas, pool.ResourceVersion = ptr.To(replicas), ""
				_, err = ns.Pools().Update(ctx, pool, metav1.UpdateOptions{})
				return err
			},
			"patch": func(ctx context.Context) error {
				_, err := ns.Pools().Patch(ctx, "pool", types.MergePatchType, []byte(`{"spec":{"replicas":`+value+`}}`), metav1.PatchOptions{})
				return err
			},
			"scale": func(ctx context.Context) error {
				scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "pool", Namespace: ns.Name}, Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
				_, err := ns.Pools().UpdateScale(ctx, "pool", scale, metav1.UpdateOptions{})
				return err
			},
			"patch of the scale": func(ctx context.Context) error {
				return patchScale(ctx, ns, int(replicas))
			},
		} {
			t.Run(how+" "+value, func(t *testing.T) {
				assertRefused(t, write(t.Context()), invalid("spec.replicas", value, "0"))
				pool, err := ns.Pools().Get(t.Context(), "pool", metav1.GetOptions{})
				require.NoError(t, err)
				assert.Equal(t, ptr.To(int32(0)), pool.Spec.Replicas)
			})
		}
	}
	out, err := ns.Kubectl("", "scale", "sandboxwarmpool/pool", fmt.Sprintf("--replicas=%d", maxPoolReplicas+1))
	require.Error(t, err)
	assert.Contains(t, err.Error(), fmt.Sprintf("between 0 and %d", maxPoolReplicas), out)
}

func TestRefusedPreconditions(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev"))
	// It is settled: nobody writes its status while the test counts resourceVersions.
	sandbox := ns.WaitReady("dev")
	otherUID, otherVersion := types.UID("11111111-2222-3333-4444-555555555555"), "1"
	for name, preconditions := range map[string]*metav1.Preconditions{
		"uid":             {UID: &otherUID},
		"resourceVersion": {ResourceVersion: &otherVersion},
		"both":            {UID: &sandbox.UID, ResourceVersion: &otherVersion},
	} {
		says := string(otherUID)
		if preconditions.ResourceVersion != nil {
			says = `"` + otherVersion + `"`
		}
		t.Run("suspend with another "+name, func(t *testing.T) {
			_, err := ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{Preconditions: preconditions}, metav1.CreateOptions{})
			assertRefused(t, err, conflict(says, "dev"))
		})
		t.Run("resume with another "+name, func(t *testing.T) {
			_, err := ns.Sandboxes().Resume(t.Context(), "dev", &v1beta1.ResumeOptions{Preconditions: preconditions}, metav1.CreateOptions{})
			assertRefused(t, err, conflict(says, "dev"))
		})
		t.Run("delete with another "+name, func(t *testing.T) {
			err := ns.Sandboxes().Delete(t.Context(), "dev", metav1.DeleteOptions{Preconditions: preconditions})
			assertRefused(t, err, conflict())
		})
	}
	t.Run("empty ones", func(t *testing.T) {
		_, err := ns.Sandboxes().Suspend(t.Context(), "dev", &v1beta1.SuspendOptions{Preconditions: &metav1.Preconditions{UID: ptr.To(types.UID(""))}}, metav1.CreateOptions{})
		assertRefused(t, err, invalid("preconditions.uid", "leave it out"))
	})
	after := ns.Get("dev")
	assert.Equal(t, sandbox.Spec, after.Spec)
	assert.Equal(t, sandbox.ResourceVersion, after.ResourceVersion)
	assert.Nil(t, after.DeletionTimestamp)
}

func TestRefusedSuspendOfWhatHasEnded(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("finished", harness.RunningOnce))
	ns.Create(harness.Sandbox("expired", func(s *v1beta1.Sandbox) {
		s.Spec.ShutdownTime = ptr.To(metav1.NewTime(time.Now().Add(2 * time.Second)))
	}))
	ns.WaitReady("finished")
	ns.EndPod("finished", 0)
	ns.WaitConditions("finished", "Finished=True/PodSucceeded", "Ready=False/PodSucceeded")
	ns.WaitConditions("expired", "Ready=False/SandboxExpired")

	for name, says := range map[string]string{"finished": "finished", "expired": "shutdownTime"} {
		before := ns.Get(name)
		_, err := ns.Sandboxes().Suspend(t.Context(), name, &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
		assertRefused(t, err, conflict(name, says))
		_, err = ns.Sandboxes().Resume(t.Context(), name, &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
		assertRefused(t, err, conflict(name, says))
		assert.Equal(t, before.Spec, ns.Get(name).Spec)
	}
	_, err := ns.Sandboxes().Suspend(t.Context(), "nobody", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	assertRefused(t, err, refusal{code: 404, says: []string{`"nobody"`}})
}

func TestRefusedNamespaces(t *testing.T) {
	t.Parallel()
	t.Run("unknown", func(t *testing.T) {
		_, err := env.Client.SandboxV1beta1().Sandboxes("no-such-namespace").Create(t.Context(), harness.Sandbox("dev"), metav1.CreateOptions{})
		assertRefused(t, err, refusal{code: 404, says: []string{`namespaces "no-such-namespace" not found`}})
	})
	t.Run("terminating", func(t *testing.T) {
		ns := env.Space(t)
		keep := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "keep", Finalizers: []string{"example.com/keep"}}}
		_, err := ns.Kube.CoreV1().ConfigMaps(ns.Name).Create(t.Context(), keep, metav1.CreateOptions{})
		require.NoError(t, err)
		t.Cleanup(func() {
			patch := []byte(`{"metadata":{"finalizers":null}}`)
			_, err := ns.Kube.CoreV1().ConfigMaps(ns.Name).Patch(context.WithoutCancel(t.Context()), "keep", types.MergePatchType, patch, metav1.PatchOptions{})
			assert.NoError(t, err)
		})
		require.NoError(t, ns.Kube.CoreV1().Namespaces().Delete(t.Context(), ns.Name, metav1.DeleteOptions{}))
		// The server learns of it by a watch: until then it may accept one more.
		ns.Eventually("a terminating namespace is closed", func() error {
			_, err := ns.Sandboxes().Create(t.Context(), harness.Sandbox("late", harness.Suspended), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if !apierrors.IsForbidden(err) {
				return fmt.Errorf("creating a Sandbox: %w", err)
			}
			return nil
		})
		for _, object := range []any{harness.Sandbox("late"), harness.Template("late"), harness.Pool("late", "t"), harness.Claim("late", "p")} {
			err := create(ns, object)
			assertRefused(t, err, refusal{code: 403, says: []string{ns.Name, "being terminated"}})
			assert.True(t, apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause))
		}
		assert.Empty(t, stored(ns))
	})
}
