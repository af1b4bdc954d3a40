// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/apis/example"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

func TestJoinCommitsBothAtOneRevision(t *testing.T) {
	for _, cached := range []bool{false, true} {
		r := newReplica(t, newEtcd(t), cached)
		r.create(r.boxes, named("box"))
		before := r.revision(t.Context())

		outcome, claim, box, err := r.claiming(serving(t.Context()), named("claim"), "box", bind("claim"))
		require.NoError(t, err)
		assert.Equal(t, Committed, outcome)
		assert.Equal(t, before+1, r.revision(t.Context()), "one transaction")
		assert.Equal(t, claim.ResourceVersion, box.ResourceVersion)
		assert.Equal(t, claim, r.get(r.claims, "claim"), "what the calls returned is what is stored")
		assert.Equal(t, box, r.get(r.boxes, "box"))
		assert.Equal(t, "claim", box.Annotations[boundTo])

		raw, err := r.etcd().Get(t.Context(), "/registry/test/", clientv3.WithPrefix())
		require.NoError(t, err)
		require.Len(t, raw.Kvs, 2)
		for _, kv := range raw.Kvs {
			assert.True(t, strings.HasPrefix(string(kv.Value), "k8s:enc:aesgcm:"), "encrypted at rest: %s", kv.Key)
		}
	}
}

func TestJoinOfTwoCreates(t *testing.T) {
	r := newReplica(t, newEtcd(t), true)
	inner := Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) error {
		_, err := r.boxes.Create(ctx, named("cold"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		return err
	}}
	outer := func(name string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := r.claims.Create(ctx, named(name), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
			return err
		}
	}
	outcome, err := Join(serving(t.Context()), inner, outer("first"))
	require.NoError(t, err)
	assert.Equal(t, Committed, outcome)
	assert.Equal(t, r.get(r.claims, "first").ResourceVersion, r.get(r.boxes, "cold").ResourceVersion)

	outcome, err = Join(serving(t.Context()), inner, outer("second"))
	assert.Equal(t, NotCommitted, outcome)
	require.True(t, apierrors.IsAlreadyExists(err), "%v", err)
	assert.ErrorContains(t, err, `boxes.test "cold"`, "the error names the inner resource")
	assert.Nil(t, r.get(r.claims, "second"))
}

func TestOuterUpdateRetriesOnItsOwnConflict(t *testing.T) {
	r := newReplica(t, newEtcd(t), true)
	r.create(r.claims, named("claim"))
	r.create(r.boxes, named("box"))
	disturbed, others := false, serving(t.Context())
	inner := Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) error {
		if !disturbed {
			disturbed = true
			_, _, err := r.claims.Update(others, "claim", changing(label("noise")),
				rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
			require.NoError(t, err)
		}
		_, err := r.update(ctx, "box", bind("claim"))
		return err
	}}
	outcome, err := Join(serving(t.Context()), inner, func(ctx context.Context) error {
		_, _, err := r.claims.Update(ctx, "claim", changing(label("ours")),
			rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, &metav1.UpdateOptions{})
		return err
	})
	require.NoError(t, err)
	assert.Equal(t, Committed, outcome)
	claim := r.get(r.claims, "claim")
	assert.Equal(t, map[string]string{"noise": "", "ours": ""}, claim.Labels)
	assert.Equal(t, claim.ResourceVersion, r.get(r.boxes, "box").ResourceVersion)
}

func label(key string) rest.TransformFunc {
	return func(_ context.Context, o, _ runtime.Object) (runtime.Object, error) {
		pod := o.(*example.Pod)
		metav1.SetMetaDataLabel(&pod.ObjectMeta, key, "")
		return pod, nil
	}
}

func TestInnerRetriesWhileOuterIsHeld(t *testing.T) {
	r := newReplica(t, newEtcd(t), true)
	r.create(r.boxes, named("box"))
	attempts, others := 0, serving(t.Context())
	change := func(ctx context.Context, o, old runtime.Object) (runtime.Object, error) {
		attempts++
		if attempts == 1 {
			_, err := r.update(others, "box", label("noise"))
			require.NoError(t, err)
		}
		return bind("claim")(ctx, o, old)
	}
	outcome, _, box, err := r.claiming(serving(t.Context()), named("claim"), "box", change)
	require.NoError(t, err)
	assert.Equal(t, Committed, outcome)
	assert.Equal(t, 2, attempts)
	assert.Contains(t, box.Labels, "noise", "the second attempt saw the other writer's change")
	assert.Equal(t, box, r.get(r.boxes, "box"))
}

func TestInnerMayTryTheNextObject(t *testing.T) {
	r := newReplica(t, newEtcd(t), true)
	for _, name := range []string{"taken", "free"} {
		r.create(r.boxes, named(name))
	}
	_, err := r.update(serving(t.Context()), "taken", bind("other"))
	require.NoError(t, err)
	inner := Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) error {
		_, err := r.update(ctx, "taken", bind("claim"))
		require.True(t, apierrors.IsConflict(err), "%v", err)
		_, err = r.update(ctx, "free", bind("claim"))
		return err
	}}
	outcome, err := Join(serving(t.Context()), inner, func(ctx context.Context) error {
		_, err := r.claims.Create(ctx, named("claim"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		return err
	})
	require.NoError(t, err)
	assert.Equal(t, Committed, outcome)
	assert.Equal(t, "other", r.get(r.boxes, "taken").Annotations[boundTo])
	assert.Equal(t, "claim", r.get(r.boxes, "free").Annotations[boundTo])
}

func TestOuterConflictEndsTheInnerCall(t *testing.T) {
	r := newReplica(t, newEtcd(t), false)
	r.create(r.claims, named("claim"))
	r.create(r.boxes, named("box"))
	r.create(r.boxes, named("next"))
	kv := &counting{KV: r.etcd().KV}
	r.etcd().KV = kv
	inner := Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) error {
		for _, name := range []string{"box", "next"} {
			_, err := r.update(ctx, name, bind("claim"))
			assert.ErrorIs(t, err, errOuterLost)
		}
		return nil
	}}
	outcome, err := Join(serving(t.Context()), inner, func(ctx context.Context) error {
		_, err := r.claims.Create(ctx, named("claim"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		return err
	})
	require.True(t, apierrors.IsAlreadyExists(err), "%v", err)
	assert.Equal(t, NotCommitted, outcome)
	assert.Equal(t, 1, kv.transactions, "what cannot succeed is not asked of etcd")
}

// counting counts transactions.
type counting struct {
	clientv3.KV
	transactions int
}

func (c *counting) Txn(ctx context.Context) clientv3.Txn {
	c.transactions++
	return c.KV.Txn(ctx)
}

// refusal is a joined write that must leave etcd as it was.
type refusal struct {
	prepare func(*replica)
	claim   *example.Pod
	change  rest.TransformFunc
	want    func(*testing.T, error)
}

func isMisuse(t *testing.T, err error) { t.Helper(); assert.ErrorIs(t, err, errMisuse) }

func refusals() map[string]refusal {
	large := strings.Repeat("x", maxBytes/2)
	return map[string]refusal{
		"outer exists": {
			prepare: func(r *replica) { r.create(r.claims, named("claim")) },
			want: func(t *testing.T, err error) {
				t.Helper()
				require.True(t, apierrors.IsAlreadyExists(err), "%v", err)
				assert.ErrorContains(t, err, `claims.test "claim"`)
			},
		},
		"inner refuses": {
			change: func(context.Context, runtime.Object, runtime.Object) (runtime.Object, error) {
				return nil, apierrors.NewForbidden(boxes, "box", errTaken)
			},
			want: func(t *testing.T, err error) {
				t.Helper()
				assert.True(t, apierrors.IsForbidden(err), "%v", err)
			},
		},
		"inner is taken": {
			prepare: func(r *replica) {
				_, err := r.update(serving(r.Context()), "box", bind("other"))
				require.NoError(r, err)
			},
			want: func(t *testing.T, err error) {
				t.Helper()
				assert.True(t, apierrors.IsConflict(err), "%v", err)
			},
		},
		"inner changes nothing": {
			change: func(_ context.Context, o, _ runtime.Object) (runtime.Object, error) { return o, nil },
			want:   isMisuse,
		},
		"inner is terminating": {
			prepare: func(r *replica) { r.terminate("box") },
			want: func(t *testing.T, err error) {
				t.Helper()
				require.True(t, apierrors.IsConflict(err), "%v", err)
				assert.ErrorContains(t, err, errTerminating.Error())
			},
		},
		"inner loses its last finalizer": {
			prepare: func(r *replica) { r.terminate("box") },
			change: func(_ context.Context, o, _ runtime.Object) (runtime.Object, error) {
				o.(*example.Pod).Finalizers = nil
				return o, nil
			},
			want: func(t *testing.T, err error) {
				t.Helper()
				assert.ErrorContains(t, err, errTerminating.Error())
			},
		},
		"too large together": {
			claim: func() *example.Pod {
				p := named("claim")
				p.Status.Message = large
				return p
			}(),
			change: func(_ context.Context, o, _ runtime.Object) (runtime.Object, error) {
				o.(*example.Pod).Status.Message = large
				return o, nil
			},
			want: func(t *testing.T, err error) {
				t.Helper()
				require.True(t, apierrors.IsRequestEntityTooLargeError(err), "%v", err)
				assert.ErrorContains(t, err, "claims.test")
				assert.ErrorContains(t, err, "boxes.test")
			},
		},
	}
}

// terminate leaves the box with a deletionTimestamp and a finalizer.
func (r *replica) terminate(name string) {
	r.Helper()
	ctx := serving(r.Context())
	_, err := r.update(ctx, name, func(_ context.Context, o, _ runtime.Object) (runtime.Object, error) {
		o.(*example.Pod).Finalizers = []string{"test/held"}
		return o, nil
	})
	require.NoError(r, err)
	_, gone, err := r.boxes.Delete(ctx, name, rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
	require.NoError(r, err)
	require.False(r, gone)
}

func TestRefusalsLeaveNothing(t *testing.T) {
	servers := newEtcd(t)
	for name, tc := range refusals() {
		t.Run(name, func(t *testing.T) {
			r := newReplica(t, servers, true)
			t.Cleanup(func() {
				_, err := r.etcd().Delete(context.Background(), "/registry/test/", clientv3.WithPrefix())
				require.NoError(t, err)
			})
			r.create(r.boxes, named("box"))
			if tc.prepare != nil {
				tc.prepare(r)
			}
			if tc.claim == nil {
				tc.claim = named("claim")
			}
			if tc.change == nil {
				tc.change = bind("claim")
			}
			before := r.revision(t.Context())
			outcome, _, _, err := r.claiming(serving(t.Context()), tc.claim, "box", tc.change)
			require.Error(t, err)
			assert.Equal(t, NotCommitted, outcome)
			tc.want(t, err)
			assert.Equal(t, before, r.revision(t.Context()))
		})
	}
}

func TestMisuse(t *testing.T) {
	servers := newEtcd(t)
	r, other := newReplica(t, servers, false), newReplica(t, servers, false)
	r.create(r.boxes, named("box"))
	r.create(r.claims, named("existing"))
	ctx := serving(t.Context())
	createClaim := func(name string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := r.claims.Create(ctx, named(name), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
			return err
		}
	}
	bindBox := func(ctx context.Context) error {
		_, err := r.update(ctx, "box", bind("claim"))
		return err
	}
	deleteFrom := func(ctx context.Context) error {
		_, _, err := r.claims.Delete(ctx, "existing", rest.ValidateAllObjectFunc, &metav1.DeleteOptions{})
		return err
	}
	inner := func(call func(context.Context) error) Inner { return Inner{RequestInfo: info(boxes), Call: call} }
	for name, tc := range map[string]struct {
		ctx   context.Context
		inner Inner
		outer func(context.Context) error
	}{
		"two objects of one resource": {inner: inner(createClaim("other")), outer: createClaim("claim")},
		"two backends": {outer: createClaim("claim"), inner: inner(func(ctx context.Context) error {
			_, err := other.update(ctx, "box", bind("claim"))
			return err
		})},
		"inner deletes":   {inner: inner(deleteFrom), outer: createClaim("claim")},
		"outer deletes":   {inner: inner(bindBox), outer: deleteFrom},
		"outer is silent": {inner: inner(bindBox), outer: func(context.Context) error { return nil }},
		"inner is silent": {inner: inner(func(context.Context) error { return nil }), outer: createClaim("claim")},
		"no RequestInfo":  {inner: Inner{Call: bindBox}, outer: createClaim("claim")},
		"nested": {inner: inner(func(ctx context.Context) error {
			_, err := Join(ctx, inner(bindBox), createClaim("third"))
			return err
		}), outer: createClaim("claim")},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.revision(ctx)
			outcome, err := Join(ctx, tc.inner, tc.outer)
			isMisuse(t, err)
			assert.Equal(t, NotCommitted, outcome)
			assert.Equal(t, before, r.revision(ctx))
		})
	}
}

func TestThirdWriteIsRefused(t *testing.T) {
	r := newReplica(t, newEtcd(t), false)
	r.create(r.boxes, named("box"))
	r.create(r.boxes, named("more"))
	var third error
	inner := Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) error {
		if _, err := r.update(ctx, "box", bind("claim")); err != nil {
			return err
		}
		_, third = r.update(ctx, "more", bind("claim"))
		return third
	}}
	outcome, err := Join(serving(t.Context()), inner, func(ctx context.Context) error {
		_, err := r.claims.Create(ctx, named("claim"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		return err
	})
	require.NoError(t, err, "both objects are stored, whatever the inner call says afterwards")
	assert.Equal(t, Committed, outcome)
	isMisuse(t, third)
	assert.Empty(t, r.get(r.boxes, "more").Annotations)
}

func TestContextIsDeadAfterJoin(t *testing.T) {
	r := newReplica(t, newEtcd(t), false)
	r.create(r.boxes, named("box"))
	var leaked context.Context
	inner := Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) error {
		leaked = ctx //nolint:fatcontext // a context that outlives its join is what the test is about
		return errTaken
	}}
	_, err := Join(serving(t.Context()), inner, func(ctx context.Context) error {
		_, err := r.claims.Create(ctx, named("claim"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		return err
	})
	require.ErrorIs(t, err, errTaken)
	_, err = r.update(leaked, "box", bind("claim"))
	isMisuse(t, err)
}

func TestGeneratedNameIsNotRetriedForTheInnerObject(t *testing.T) {
	r := newReplica(t, newEtcd(t), false)
	calls := 0
	inner := Inner{RequestInfo: info(boxes), Call: func(context.Context) error {
		calls++
		return apierrors.NewAlreadyExists(boxes, "box")
	}}
	generated := &example.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "claim-", Namespace: namespace}}
	_, err := Join(serving(t.Context()), inner, func(ctx context.Context) error {
		_, err := r.claims.Create(ctx, generated, rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		return err
	})
	require.True(t, apierrors.IsAlreadyExists(err), "%v", err)
	assert.ErrorContains(t, err, "boxes.test")
	assert.Equal(t, 1, calls)
}

// sequence generates the names it is made of, one after the other.
type sequence struct{ names []string }

func (s *sequence) GenerateName(string) string {
	name := s.names[0]
	s.names = s.names[1:]
	return name
}

func TestGeneratedNameIsRetriedForTheOuterObject(t *testing.T) {
	r := newReplica(t, newEtcd(t), true)
	r.create(r.claims, named("claim-taken"))
	r.create(r.boxes, named("box"))
	r.claims.CreateStrategy = strategy{ObjectTyper: scheme, NameGenerator: &sequence{names: []string{"claim-taken", "claim-free"}}}
	generated := &example.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "claim-", Namespace: namespace}}
	outcome, claim, box, err := r.claiming(serving(t.Context()), generated, "box", bind("any"))
	require.NoError(t, err)
	assert.Equal(t, Committed, outcome)
	assert.Equal(t, "claim-free", claim.Name)
	assert.Equal(t, claim.ResourceVersion, box.ResourceVersion)
}

func TestInnerContext(t *testing.T) {
	r := newReplica(t, newEtcd(t), false)
	inner := Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) error {
		seen, _ := request.RequestInfoFrom(ctx)
		assert.Equal(t, "boxes", seen.Resource)
		assert.Equal(t, namespace, request.NamespaceValue(ctx))
		_, err := r.update(ctx, "absent", bind("claim"))
		return err
	}}
	_, err := Join(serving(t.Context()), inner, func(ctx context.Context) error {
		_, err := r.claims.Create(ctx, named("claim"), rest.ValidateAllObjectFunc, &metav1.CreateOptions{})
		return err
	})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
	assert.ErrorContains(t, err, `boxes.test "absent"`)
}

func TestRehearse(t *testing.T) {
	r := newReplica(t, newEtcd(t), true)
	r.create(r.boxes, named("box"))
	before := r.revision(t.Context())
	dryRun := []string{metav1.DryRunAll}
	var bound *example.Pod
	inner := func(options *metav1.UpdateOptions) Inner {
		return Inner{RequestInfo: info(boxes), Call: func(ctx context.Context) error {
			updated, _, err := r.boxes.Update(ctx, "box", changing(bind("claim")),
				rest.ValidateAllObjectFunc, rest.ValidateAllObjectUpdateFunc, false, options)
			if err == nil {
				bound = updated.(*example.Pod)
			}
			return err
		}}
	}
	outer := func(options *metav1.CreateOptions) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := r.claims.Create(ctx, named("claim"), rest.ValidateAllObjectFunc, options)
			return err
		}
	}
	ctx := serving(t.Context())
	require.NoError(t, Rehearse(ctx, inner(&metav1.UpdateOptions{DryRun: dryRun}), outer(&metav1.CreateOptions{DryRun: dryRun})))
	assert.Equal(t, "claim", bound.Annotations[boundTo])

	isMisuse(t, Rehearse(ctx, inner(&metav1.UpdateOptions{DryRun: dryRun}), outer(&metav1.CreateOptions{})))
	isMisuse(t, Rehearse(ctx, inner(&metav1.UpdateOptions{}), outer(&metav1.CreateOptions{DryRun: dryRun})))
	outcome, err := Join(ctx, inner(&metav1.UpdateOptions{DryRun: dryRun}), outer(&metav1.CreateOptions{DryRun: dryRun}))
	isMisuse(t, err)
	assert.Equal(t, NotCommitted, outcome)
	assert.Equal(t, before, r.revision(t.Context()))
}
