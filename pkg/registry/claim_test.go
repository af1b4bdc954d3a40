// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

// withPool is served with a template and a pool of it.
func withPool(t *testing.T) *served {
	t.Helper()
	s := serve(t)
	create(s, "sandboxtemplates", &sandbox.SandboxTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "python", Namespace: namespace},
		Spec: sandbox.SandboxTemplateSpec{
			PodTemplate:                newSandbox("").Spec.PodTemplate,
			NetworkPolicyManagement:    sandbox.NetworkPolicyManaged,
			EnvVarsInjectionPolicy:     sandbox.InjectionAllowed,
			VolumeClaimTemplatesPolicy: sandbox.InjectionDisallowed,
		},
	})
	create(s, "sandboxwarmpools", newPool("python"))
	return s
}

// warm stores an available member of the pool and offers it, as the feed does.
func (s *served) warm(name string) *sandbox.Sandbox {
	s.Helper()
	pool := read[*sandbox.SandboxWarmPool](s, "sandboxwarmpools", "python")
	member := newSandbox(name)
	member.Labels = map[string]string{v1beta1.WarmPoolLabel: "python"}
	member.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1beta1.SchemeGroupVersion.String(), Kind: "SandboxWarmPool", Name: pool.Name, UID: pool.UID, Controller: ptr.To(true),
	}}
	create(s, "sandboxes", member)
	ready, err := update(s, "sandboxes/status", name, func(o *sandbox.Sandbox) {
		o.Status.PodIPs, o.Status.NodeName, o.Status.ServiceFQDN = []string{"10.0.0.7"}, "node-1", name+".sandboxes.team.svc.cluster.local"
		o.Status.Conditions = []metav1.Condition{{
			Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, ObservedGeneration: o.Generation,
			Reason: v1beta1.ReasonDependenciesReady, LastTransitionTime: metav1.Now(),
		}}
	})
	require.NoError(s, err)
	s.offer(ready)
	return ready
}

func (s *served) offer(sbx *sandbox.Sandbox) {
	s.Helper()
	payload := &v1beta1.Sandbox{}
	require.NoError(s, v1beta1.Convert_sandbox_Sandbox_To_v1beta1_Sandbox(sbx, payload, nil))
	revision, err := strconv.ParseUint(sbx.ResourceVersion, 10, 64)
	require.NoError(s, err)
	s.index.Put(warmindex.Entry[*v1beta1.Sandbox]{
		Key: warmindex.Key{Namespace: namespace, Name: sbx.Name}, Pool: warmindex.Key{Namespace: namespace, Name: "python"},
		UID: sbx.UID, Revision: revision, Created: sbx.CreationTimestamp.Time, Payload: payload,
	})
}

func newClaim(name string) *sandbox.SandboxClaim {
	return &sandbox.SandboxClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       sandbox.SandboxClaimSpec{WarmPoolRef: sandbox.SandboxWarmPoolReference{Name: "python"}, OnEmptyPool: sandbox.OnEmptyPoolColdStart},
	}
}

// claim posts to one of the three doors; name is that in the URL of an action.
func (s *served) claim(door, name string, body runtime.Object, dryRun ...string) (*sandbox.SandboxClaim, error) {
	s.Helper()
	options := &metav1.CreateOptions{DryRun: dryRun}
	var obj runtime.Object
	var err error
	if creater, ok := s.storage[door].(rest.Creater); ok {
		obj, err = creater.Create(s.on("sandboxclaims"), body, rest.ValidateAllObjectFunc, options)
	} else {
		obj, err = s.storage[door].(rest.NamedCreater).Create(s.on("sandboxclaims"), name, body, rest.ValidateAllObjectFunc, options)
	}
	if err != nil {
		return nil, err
	}
	return obj.(*sandbox.SandboxClaim), nil
}

func (s *served) sandboxes() []sandbox.Sandbox {
	s.Helper()
	list, err := s.storage["sandboxes"].(rest.Lister).List(s.on("sandboxes"), &metainternalversion.ListOptions{})
	require.NoError(s, err)
	return list.(*sandbox.SandboxList).Items
}

var doors = map[string]string{"sandboxclaims": "", "sandboxwarmpools/claim": "python", "sandboxes/claim": "one"}

func TestWarmClaimIsAnsweredReady(t *testing.T) {
	for door, name := range doors {
		t.Run(door, func(t *testing.T) {
			s := withPool(t)
			before := s.warm("one")
			body := newClaim("mine")
			body.Spec.AdditionalPodMetadata.Labels = map[string]string{"team": "red"}
			body.Status.Sandbox = &sandbox.ClaimedSandbox{Name: "forged"}
			start := s.revision()
			answer, err := s.claim(door, name, body)
			require.NoError(t, err)
			assert.Equal(t, start+1, s.revision(), "one transaction")

			assert.Equal(t, answer, read[*sandbox.SandboxClaim](s, "sandboxclaims", "mine"))
			assert.True(t, meta.IsStatusConditionTrue(answer.Status.Conditions, v1beta1.ConditionBound))
			assert.True(t, meta.IsStatusConditionTrue(answer.Status.Conditions, v1beta1.ConditionReady))
			assert.Equal(t, &sandbox.ClaimedSandbox{
				Name: "one", PodIPs: []string{"10.0.0.7"}, ServiceFQDN: before.Status.ServiceFQDN, NodeName: "node-1", LaunchType: sandbox.LaunchWarm,
			}, answer.Status.Sandbox)

			held := read[*sandbox.Sandbox](s, "sandboxes", "one")
			assert.Equal(t, answer.ResourceVersion, held.ResourceVersion, "both at one revision")
			assert.Equal(t, &sandbox.SandboxClaimReference{Name: "mine", UID: answer.UID}, held.Spec.ClaimRef)
			assert.Equal(t, answer.UID, metav1.GetControllerOf(held).UID)
			assert.Len(t, held.OwnerReferences, 1)
			assert.Equal(t, "red", held.Labels["team"])
			assert.Equal(t, "red", held.Spec.PodTemplate.Metadata.Labels["team"])
			assert.Equal(t, before.Generation, held.Generation, "nothing that runs has changed")
			assert.Zero(t, s.index.Len(warmindex.Key{Namespace: namespace, Name: "python"}))
		})
	}
}

func TestClaimOfAnEmptyPool(t *testing.T) {
	s := withPool(t)
	cold, err := s.claim("sandboxclaims", "", newClaim("cold"))
	require.NoError(t, err)
	assert.True(t, meta.IsStatusConditionTrue(cold.Status.Conditions, v1beta1.ConditionBound))
	assert.False(t, meta.IsStatusConditionTrue(cold.Status.Conditions, v1beta1.ConditionReady))
	assert.Equal(t, sandbox.LaunchCold, cold.Status.Sandbox.LaunchType)
	made := read[*sandbox.Sandbox](s, "sandboxes", cold.Status.Sandbox.Name)
	assert.Equal(t, cold.UID, made.Spec.ClaimRef.UID)
	assert.Equal(t, cold.ResourceVersion, made.ResourceVersion)
	assert.Equal(t, sandbox.SandboxRunning, made.Spec.OperatingMode)
	assert.Contains(t, made.Finalizers, v1beta1.SandboxFinalizer)

	waits := newClaim("waits")
	waits.Spec.OnEmptyPool = sandbox.OnEmptyPoolWait
	waiting, err := s.claim("sandboxclaims", "", waits)
	require.NoError(t, err)
	assert.Nil(t, waiting.Status.Sandbox)
	assert.Equal(t, v1beta1.ReasonWaitingForSandbox, meta.FindStatusCondition(waiting.Status.Conditions, v1beta1.ConditionBound).Reason)

	s.warm("late")
	again, err := s.claim("sandboxwarmpools/claim", "python", waits)
	require.NoError(t, err)
	assert.Equal(t, waiting, again, "a client does not overtake who has waited longer")
	s.ctx = request.WithUser(s.ctx, &user.DefaultInfo{Name: user.APIServerUser})
	other := waits.DeepCopy()
	other.UID = "deleted"
	_, err = s.claim("sandboxwarmpools/claim", "python", other)
	assert.True(t, apierrors.IsConflict(err), "%v", err)
	waits.UID = waiting.UID
	served, err := s.claim("sandboxwarmpools/claim", "python", waits)
	require.NoError(t, err)
	assert.Equal(t, "late", served.Status.Sandbox.Name)
	assert.Equal(t, served, read[*sandbox.SandboxClaim](s, "sandboxclaims", "waits"))
	assert.Equal(t, served.UID, read[*sandbox.Sandbox](s, "sandboxes", "late").Spec.ClaimRef.UID)

	// A claim that lost its Sandbox stays without.
	s.warm("another")
	_, err = update(s, "sandboxclaims/status", "waits", func(c *sandbox.SandboxClaim) { c.Status.Conditions = nil })
	require.NoError(t, err)
	lost, err := s.claim("sandboxwarmpools/claim", "python", waits)
	require.NoError(t, err)
	assert.Equal(t, "late", lost.Status.Sandbox.Name)
	assert.Equal(t, 1, s.index.Len(warmindex.Key{Namespace: namespace, Name: "python"}))
}

func TestClaimWithTheUIDOfADeletedOneIsNotMade(t *testing.T) {
	s := withPool(t)
	gone := newClaim("gone")
	gone.UID = "deleted"
	_, err := s.claim("sandboxwarmpools/claim", "python", gone)
	assert.True(t, apierrors.IsConflict(err), "%v", err)
}

func TestVeryOneIsClaimedBeforeTheIndexKnowsIt(t *testing.T) {
	s := withPool(t)
	s.warm("one")
	s.index.Delete(warmindex.Key{Namespace: namespace, Name: "one"})
	first, err := s.claim("sandboxes/claim", "one", newClaim("mine"))
	require.NoError(t, err)
	assert.Equal(t, "one", first.Status.Sandbox.Name)
	before := s.revision()
	_, err = s.claim("sandboxes/claim", "one", newClaim("thief"))
	assert.True(t, apierrors.IsConflict(err), "%v", err)
	assert.Equal(t, before, s.revision())
}

func TestRepeatedClaimDrawsOnce(t *testing.T) {
	s := withPool(t)
	s.warm("one")
	s.warm("two")
	first, err := s.claim("sandboxwarmpools/claim", "python", newClaim("mine"))
	require.NoError(t, err)
	before := s.revision()
	again, err := s.claim("sandboxwarmpools/claim", "python", newClaim("mine"))
	require.NoError(t, err)
	assert.Equal(t, first, again)

	other := newClaim("mine")
	other.Spec.OnEmptyPool = sandbox.OnEmptyPoolReject
	_, err = s.claim("sandboxwarmpools/claim", "python", other)
	assert.True(t, apierrors.IsConflict(err), "%v", err)
	_, err = s.claim("sandboxclaims", "", newClaim("mine"))
	assert.True(t, apierrors.IsAlreadyExists(err), "%v", err)
	assert.Equal(t, before, s.revision())
	assert.Equal(t, 1, s.index.Len(warmindex.Key{Namespace: namespace, Name: "python"}), "what was not drawn is offered again")
}

func TestDryRunOfEveryDoorSpendsNothing(t *testing.T) {
	s := withPool(t)
	s.warm("one")
	before := s.revision()
	for door, name := range doors {
		answer, err := s.claim(door, name, newClaim("mine"), metav1.DryRunAll)
		require.NoError(t, err, door)
		assert.Equal(t, "one", answer.Status.Sandbox.Name, door)
	}
	assert.Equal(t, before, s.revision())
	assert.Equal(t, 1, s.index.Len(warmindex.Key{Namespace: namespace, Name: "python"}))
}

func TestLostRacesDoNotReachTheClient(t *testing.T) {
	s := withPool(t)
	for _, name := range []string{"gone", "taken", "moved", "asleep"} {
		s.warm(name)
	}
	s.warm("touched")
	_, _, err := s.storage["sandboxes"].(rest.GracefulDeleter).Delete(s.on("sandboxes"), "gone", rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
	require.NoError(t, err)
	for resource, changes := range map[string]map[string]func(*sandbox.Sandbox){
		"sandboxes": {
			"asleep":  func(o *sandbox.Sandbox) { o.Spec.OperatingMode = sandbox.SandboxSuspended },
			"touched": func(o *sandbox.Sandbox) { o.Annotations = map[string]string{"a": "b"} },
			"taken":   func(o *sandbox.Sandbox) { o.OwnerReferences[0].UID = "another pool" },
		},
		"sandboxes/status": {"moved": func(o *sandbox.Sandbox) { o.Status.PodIPs = []string{"10.0.0.8"} }},
	} {
		for name, change := range changes {
			_, err := update(s, resource, name, change)
			require.NoError(t, err)
		}
	}
	answer, err := s.claim("sandboxclaims", "", newClaim("mine"))
	require.NoError(t, err)
	assert.Equal(t, "touched", answer.Status.Sandbox.Name, "a change that does not matter is no lost race")
	assert.Equal(t, sandbox.LaunchWarm, answer.Status.Sandbox.LaunchType)

	// All others are known to be lost by now: the next claim starts cold at once.
	next, err := s.claim("sandboxclaims", "", newClaim("next"))
	require.NoError(t, err)
	assert.Equal(t, sandbox.LaunchCold, next.Status.Sandbox.LaunchType)
}

func TestClaimOfARecreatedPoolNeverGetsAnOldTemplate(t *testing.T) {
	s := withPool(t)
	s.recreates()
	s.warm("old")
	answer, err := s.claim("sandboxclaims", "", newClaim("mine"))
	require.NoError(t, err)
	assert.Equal(t, sandbox.LaunchCold, answer.Status.Sandbox.LaunchType, "the member has no hash, so it is of no current template")
}

func TestClaimsAreRefused(t *testing.T) {
	s := withPool(t)
	s.warm("one")
	stranger := newSandbox("bare")
	create(s, "sandboxes", stranger)
	orphaned := newPool("orphaned")
	orphaned.Spec.SandboxTemplateRef.Name = "nothing"
	create(s, "sandboxwarmpools", orphaned)
	before := s.revision()
	for name, c := range map[string]struct {
		door, url string
		change    func(*sandbox.SandboxClaim)
		want      func(error) bool
		says      string
	}{
		"unknown pool":            {"sandboxclaims", "", func(c *sandbox.SandboxClaim) { c.Spec.WarmPoolRef.Name = "nobody" }, apierrors.IsInvalid, "spec.warmPoolRef.name"},
		"unknown pool in the URL": {"sandboxwarmpools/claim", "nobody", func(c *sandbox.SandboxClaim) { c.Spec.WarmPoolRef.Name = "" }, apierrors.IsNotFound, "nobody"},
		"another pool than the URL": {"sandboxwarmpools/claim", "python", func(c *sandbox.SandboxClaim) { c.Spec.WarmPoolRef.Name = "orphaned" },
			apierrors.IsInvalid, "spec.warmPoolRef.name"},
		"no template": {"sandboxclaims", "", func(c *sandbox.SandboxClaim) { c.Spec.WarmPoolRef.Name = "orphaned" }, apierrors.IsInvalid, `"nothing"`},
		"empty pool and Reject": {"sandboxclaims", "", func(c *sandbox.SandboxClaim) {
			c.Spec.WarmPoolRef.Name, c.Spec.OnEmptyPool = "orphaned", sandbox.OnEmptyPoolReject
		}, apierrors.IsTooManyRequests, "orphaned"},
		"env and Wait": {"sandboxclaims", "", func(c *sandbox.SandboxClaim) {
			c.Spec.Env, c.Spec.OnEmptyPool = []sandbox.SandboxEnvVar{{Name: "A"}}, sandbox.OnEmptyPoolWait
		}, apierrors.IsInvalid, "spec.onEmptyPool"},
		"env of no container": {"sandboxclaims", "", func(c *sandbox.SandboxClaim) {
			c.Spec.Env = []sandbox.SandboxEnvVar{{Name: "A", ContainerName: "nobody"}}
		}, apierrors.IsInvalid, "spec.env[0].containerName"},
		"disks that the policy forbids": {"sandboxclaims", "", func(c *sandbox.SandboxClaim) {
			c.Spec.VolumeClaimTemplates = []sandbox.PersistentVolumeClaimTemplate{newDisk("data")}
		}, apierrors.IsInvalid, "spec.volumeClaimTemplates"},
		"reserved key": {"sandboxclaims", "", func(c *sandbox.SandboxClaim) {
			c.Spec.AdditionalPodMetadata.Labels = map[string]string{v1beta1.ClaimLabel: "x"}
		}, apierrors.IsInvalid, "spec.additionalPodMetadata.labels"},
		"bad name":                 {"sandboxclaims", "", func(c *sandbox.SandboxClaim) { c.Name = "Mine" }, apierrors.IsInvalid, "metadata.name"},
		"a Sandbox of no pool":     {"sandboxes/claim", "bare", func(*sandbox.SandboxClaim) {}, apierrors.IsConflict, "no warm pool"},
		"a Sandbox that is no one": {"sandboxes/claim", "nobody", func(*sandbox.SandboxClaim) {}, apierrors.IsNotFound, "nobody"},
	} {
		body := newClaim("mine")
		c.change(body)
		_, err := s.claim(c.door, c.url, body)
		require.Error(t, err, name)
		assert.True(t, c.want(err), "%s: %v", name, err)
		assert.ErrorContains(t, err, c.says, name)
	}
	assert.Equal(t, before, s.revision(), "a refusal writes nothing")
	assert.Equal(t, 1, s.index.Len(warmindex.Key{Namespace: namespace, Name: "python"}), "and spends nothing")
	assert.Len(t, s.sandboxes(), 2)
}

func newDisk(name string) sandbox.PersistentVolumeClaimTemplate {
	disk := sandbox.PersistentVolumeClaimTemplate{Metadata: sandbox.EmbeddedObjectMetadata{Name: name}}
	disk.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	return disk
}
