// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/claim"
	"agents.x-k8s.io/sandbox-apiserver/pkg/warmindex"
)

var pythonPool = warmindex.Key{Namespace: namespace, Name: "python"}

// moved gives a Sandbox another address, so that what was drawn of it is no answer any more.
func (s *served) moved(name string) {
	s.Helper()
	_, err := update(s, "sandboxes/status", name, func(o *sandbox.Sandbox) { o.Status.PodIPs = append(o.Status.PodIPs, "10.0.0.8") })
	require.NoError(s, err)
}

// recreates makes the pool one of the strategy Recreate, and waits until claims see it.
func (s *served) recreates() {
	s.Helper()
	_, err := update(s, "sandboxwarmpools", "python", func(p *sandbox.SandboxWarmPool) { p.Spec.UpdateStrategy.Type = sandbox.RecreateStrategy })
	require.NoError(s, err)
	s.cachedPool(func(p *sandbox.SandboxWarmPool) bool { return p.Spec.UpdateStrategy.Type == sandbox.RecreateStrategy })
}

// cachedPool waits for the watch cache, from which claims read the pool.
func (s *served) cachedPool(is func(*sandbox.SandboxWarmPool) bool) {
	s.Helper()
	require.Eventually(s, func() bool {
		obj, err := s.storage["sandboxwarmpools"].(rest.Getter).Get(s.on("sandboxwarmpools"), "python", &metav1.GetOptions{ResourceVersion: "0"})
		return err == nil && is(obj.(*sandbox.SandboxWarmPool))
	}, 10*time.Second, 10*time.Millisecond)
}

// outdated offers so many Sandboxes, the oldest ones, that have changed meanwhile.
func (s *served) outdated(count int) {
	s.Helper()
	for i := range count {
		sbx := s.warm(fmt.Sprintf("outdated-%d", i))
		sbx.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
		s.offer(sbx)
		_, err := update(s, "sandboxes", sbx.Name, func(o *sandbox.Sandbox) { o.Spec.OperatingMode = sandbox.SandboxSuspended })
		require.NoError(s, err)
	}
}

// attempt is a claim as admission sees it, and how a quota counts it.
type attempt struct {
	*sandbox.SandboxClaim
	count func(once func() error) error
}

// postClaim creates a claim with an admission of the test's own, which runs after a
// Sandbox was drawn and before anything is written.
func (s *served) postClaim(body *sandbox.SandboxClaim, admit func(attempt)) (*sandbox.SandboxClaim, error) {
	s.Helper()
	validate := func(ctx context.Context, obj runtime.Object) error {
		admit(attempt{
			SandboxClaim: obj.(*sandbox.SandboxClaim),
			count:        func(once func() error) error { return claim.ChargeOnce(ctx, sandbox.Resource("sandboxclaims"), once) },
		})
		return nil
	}
	obj, err := s.storage["sandboxclaims"].(rest.Creater).Create(s.on("sandboxclaims"), body, validate, &metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return obj.(*sandbox.SandboxClaim), nil
}

func TestIndexThatIsBehindDoesNotCostAFreeSandbox(t *testing.T) {
	for _, policy := range []sandbox.OnEmptyPoolPolicy{sandbox.OnEmptyPoolColdStart, sandbox.OnEmptyPoolReject, sandbox.OnEmptyPoolWait} {
		t.Run(string(policy), func(t *testing.T) {
			s := withPool(t)
			s.outdated(30)
			s.warm("free")
			body := newClaim("mine")
			body.Spec.OnEmptyPool = policy
			attempts := 0
			answer, err := s.postClaim(body, func(attempt) { attempts++ })
			require.NoError(t, err)
			require.NotNil(t, answer.Status.Sandbox)
			assert.Equal(t, "free", answer.Status.Sandbox.Name)
			assert.Equal(t, 9, attempts, "eight races, then a pick that was read first")
		})
	}
}

func TestEveryRaceIsLost(t *testing.T) {
	for policy, want := range map[sandbox.OnEmptyPoolPolicy]int{
		sandbox.OnEmptyPoolColdStart: 10, // eight races, the direct pick, the cold start
		sandbox.OnEmptyPoolReject:    12, // one for each Sandbox
	} {
		t.Run(string(policy), func(t *testing.T) {
			s := withPool(t)
			for i := range 12 {
				s.warm(fmt.Sprintf("contended-%d", i))
			}
			body := newClaim("mine")
			body.Spec.OnEmptyPool = policy
			attempts := 0
			answer, err := s.postClaim(body, func(c attempt) {
				attempts++
				if c.Status.Sandbox.LaunchType == sandbox.LaunchWarm {
					s.moved(c.Status.Sandbox.Name)
				}
			})
			assert.Equal(t, want, attempts)
			if policy == sandbox.OnEmptyPoolReject {
				assert.True(t, apierrors.IsTooManyRequests(err), "%v", err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, sandbox.LaunchCold, answer.Status.Sandbox.LaunchType)
		})
	}
}

func TestAdmissionOfRetriesIsOneCharge(t *testing.T) {
	s := withPool(t)
	s.warm("contended")
	attempts, charges := 0, 0
	admit := func(c attempt) {
		attempts++
		require.NoError(t, c.count(func() error {
			charges++
			return nil
		}))
		if c.Status.Sandbox.Name == "contended" {
			s.moved("contended")
		}
	}
	_, err := s.postClaim(newClaim("mine"), admit)
	require.NoError(t, err)
	assert.Equal(t, 2, attempts)
	assert.Equal(t, 1, charges)
	_, err = s.postClaim(newClaim("yours"), admit)
	require.NoError(t, err)
	assert.Equal(t, 2, charges, "each claim is charged")
}

func TestColdStartWhoseNamesAreAllTaken(t *testing.T) {
	s := withPool(t)
	before, names := 0, map[string]bool{}
	_, err := s.postClaim(newClaim("mine"), func(c attempt) {
		names[c.Status.Sandbox.Name] = true
		create(s, "sandboxes", newSandbox(c.Status.Sandbox.Name))
		before++
	})
	require.Error(t, err)
	assert.True(t, apierrors.IsServiceUnavailable(err), "%v", err)
	seconds, ok := apierrors.SuggestsClientDelay(err)
	assert.True(t, ok)
	assert.Positive(t, seconds)
	assert.Greater(t, len(names), 1, "other names were tried")
	assert.Len(t, s.sandboxes(), before)
	_, err = s.storage["sandboxclaims"].(rest.Getter).Get(s.on("sandboxclaims"), "mine", &metav1.GetOptions{})
	assert.True(t, apierrors.IsNotFound(err), "nothing is stored: %v", err)
}

func TestRecreateHoldsAtEveryDoor(t *testing.T) {
	s := withPool(t)
	waits := newClaim("waits")
	waits.Spec.OnEmptyPool = sandbox.OnEmptyPoolWait
	waiting, err := s.claim("sandboxclaims", "", waits)
	require.NoError(t, err)
	s.recreates()
	s.warm("old") // without the hash of any template

	_, err = s.claim("sandboxes/claim", "old", newClaim("mine"))
	assert.True(t, apierrors.IsConflict(err), "the index has it: %v", err)
	s.index.Delete(warmindex.Key{Namespace: namespace, Name: "old"})
	_, err = s.claim("sandboxes/claim", "old", newClaim("mine"))
	assert.True(t, apierrors.IsConflict(err), "the index has it not: %v", err)

	s.warm("older")
	s.ctx = request.WithUser(s.ctx, &user.DefaultInfo{Name: user.APIServerUser})
	waits.UID = waiting.UID
	served, err := s.claim("sandboxwarmpools/claim", "python", waits)
	require.NoError(t, err)
	assert.Nil(t, served.Status.Sandbox)

	// The template may come back: what was passed over is still offered.
	assert.Equal(t, 1, s.index.Len(pythonPool))
}

// TestWithheldSandboxIsGivenToNobody, whatever the index says.
func TestWithheldSandboxIsGivenToNobody(t *testing.T) {
	s := withPool(t)
	waits, rejects := newClaim("waits"), newClaim("rejects")
	waits.Spec.OnEmptyPool, rejects.Spec.OnEmptyPool = sandbox.OnEmptyPoolWait, sandbox.OnEmptyPoolReject
	waiting, err := s.claim("sandboxclaims", "", waits)
	require.NoError(t, err)
	waits.UID = waiting.UID
	for i := range 12 { // more than races are lost before etcd is asked
		s.warm(fmt.Sprintf("old-%d", i))
	}
	s.withheld = true

	_, err = s.claim("sandboxclaims", "", rejects)
	assert.True(t, apierrors.IsTooManyRequests(err), "%v", err)
	for door, url := range map[string]string{"sandboxclaims": "", "sandboxwarmpools/claim": "python"} {
		answer, err := s.claim(door, url, newClaim("of-"+strings.ReplaceAll(door, "/", "-")))
		require.NoError(t, err, door)
		assert.Equal(t, sandbox.LaunchCold, answer.Status.Sandbox.LaunchType, door)
	}
	_, err = s.claim("sandboxes/claim", "old-0", newClaim("mine"))
	assert.True(t, apierrors.IsConflict(err), "the index has it: %v", err)
	assert.ErrorContains(t, err, "withheld")
	s.index.Delete(warmindex.Key{Namespace: namespace, Name: "old-0"})
	_, err = s.claim("sandboxes/claim", "old-0", newClaim("mine"))
	assert.True(t, apierrors.IsConflict(err), "the index has it not: %v", err)

	server := s.ctx
	s.ctx = request.WithUser(s.ctx, &user.DefaultInfo{Name: user.APIServerUser})
	served, err := s.claim("sandboxwarmpools/claim", "python", waits)
	require.NoError(t, err)
	assert.Nil(t, served.Status.Sandbox)
	s.ctx = server

	s.withheld = false
	answer, err := s.claim("sandboxclaims", "", rejects)
	require.NoError(t, err, "the control")
	assert.Equal(t, sandbox.LaunchWarm, answer.Status.Sandbox.LaunchType)
}

func TestMemberOfADeletedPoolIsNotDrawnFromItsSuccessor(t *testing.T) {
	s := withPool(t)
	s.warm("left")
	_, _, err := s.storage["sandboxwarmpools"].(rest.GracefulDeleter).Delete(s.on("sandboxwarmpools"), "python", rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
	require.NoError(t, err)
	successor := create(s, "sandboxwarmpools", newPool("python"))
	s.cachedPool(func(p *sandbox.SandboxWarmPool) bool { return p.UID == successor.UID })
	answer, err := s.claim("sandboxclaims", "", newClaim("mine"))
	require.NoError(t, err)
	assert.Equal(t, sandbox.LaunchCold, answer.Status.Sandbox.LaunchType)
	_, err = s.claim("sandboxes/claim", "left", newClaim("very"))
	assert.True(t, apierrors.IsConflict(err), "%v", err)
}
