// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/component-base/metrics/testutil"
)

func TestGate(t *testing.T) {
	g := NewGate()
	_, _, err := g.Enter(t.Context())
	var refusal *Refusal
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, NotVerified, refusal.Reason)

	g.open(time.Time{})
	require.NoError(t, g.Err())
	inside, leave, err := g.Enter(t.Context())
	require.NoError(t, err)
	g.open(time.Time{})
	require.NoError(t, inside.Err(), "open twice is one period")
	g.set(&Refusal{Reason: NotVerified, Message: "x"})
	<-inside.Done()
	leave()
	require.EqualError(t, g.Err(), "NotVerified: x")

	g.open(time.Time{})
	inside, leave, err = g.Enter(t.Context())
	require.NoError(t, err)
	leave()
	require.Error(t, inside.Err())
}

// TestRedIsFinal: the fence may have begun its look before the guard saw a wrong answer.
func TestRedIsFinal(t *testing.T) {
	g := NewGate()
	g.open(time.Time{})
	g.set(&Refusal{Reason: Rewound, Message: "x"})
	g.open(time.Time{})
	g.set(&Refusal{Reason: NotVerified})
	g.set(&Refusal{Reason: EpochMissing})
	require.EqualError(t, g.Err(), "Rewound: x")
	value, err := testutil.GetGaugeMetricValue(green.WithLabelValues(string(Rewound)))
	require.NoError(t, err)
	assert.Zero(t, value)
}

func TestWhileGreen(t *testing.T) {
	g := NewGate()
	ctx, stop := context.WithCancel(t.Context())
	begun, ended, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		g.WhileGreen(ctx, func(ctx context.Context) {
			begun <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
		})
	}()
	for range 3 {
		g.open(time.Time{})
		<-begun
		g.set(&Refusal{Reason: NotVerified})
		<-ended
	}
	stop()
	<-done
}

func TestWhileGreenCallsOnceAPeriod(t *testing.T) {
	g := NewGate()
	g.open(time.Time{})
	ctx, stop := context.WithCancel(t.Context())
	calls := make(chan struct{}, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.WhileGreen(ctx, func(context.Context) { calls <- struct{}{} })
	}()
	<-calls
	g.set(&Refusal{Reason: NotVerified})
	g.open(time.Time{})
	<-calls
	stop()
	<-done
	assert.Empty(t, calls)
}

func TestBeforeLoss(t *testing.T) {
	loss := time.Date(2026, 5, 1, 12, 0, 7, 0, time.UTC)
	unknown, never, lost, closed := NewGate(), NewGate(), NewGate(), NewGate()
	never.open(time.Time{})
	lost.open(loss)
	closed.open(loss)
	closed.set(&Refusal{Reason: NotVerified})
	for name, c := range map[string]struct {
		gate *Gate
		made time.Time
		want bool
	}{
		"before the first verdict":         {unknown, loss.Add(time.Hour), true},
		"nothing was ever lost":            {never, time.Time{}, false},
		"long before":                      {lost, loss.Add(-time.Hour), true},
		"in the same second":               {lost, loss, true},
		"later in the same second":         {lost, loss.Add(999 * time.Millisecond), true},
		"in the next second":               {lost, loss.Add(time.Second), false},
		"in the next second, another zone": {lost, loss.Add(time.Second).In(time.FixedZone("", 5400)), false},
		"long before, closed meanwhile":    {closed, loss.Add(-time.Hour), true},
		"later, closed meanwhile":          {closed, loss.Add(time.Hour), false},
	} {
		assert.Equal(t, c.want, c.gate.BeforeLoss(c.made), name)
	}
}
