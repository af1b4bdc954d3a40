// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"testing"

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

	g.open()
	require.NoError(t, g.Err())
	inside, leave, err := g.Enter(t.Context())
	require.NoError(t, err)
	g.open()
	require.NoError(t, inside.Err(), "open twice is one period")
	g.set(&Refusal{Reason: NotVerified, Message: "x"})
	<-inside.Done()
	leave()
	require.EqualError(t, g.Err(), "NotVerified: x")

	g.open()
	inside, leave, err = g.Enter(t.Context())
	require.NoError(t, err)
	leave()
	require.Error(t, inside.Err())
}

// TestRedIsFinal: the fence may have begun its look before the guard saw a wrong answer.
func TestRedIsFinal(t *testing.T) {
	g := NewGate()
	g.open()
	g.set(&Refusal{Reason: Rewound, Message: "x"})
	g.open()
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
		g.open()
		<-begun
		g.set(&Refusal{Reason: NotVerified})
		<-ended
	}
	stop()
	<-done
}

func TestWhileGreenCallsOnceAPeriod(t *testing.T) {
	g := NewGate()
	g.open()
	ctx, stop := context.WithCancel(t.Context())
	calls := make(chan struct{}, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.WhileGreen(ctx, func(context.Context) { calls <- struct{}{} })
	}()
	<-calls
	g.set(&Refusal{Reason: NotVerified})
	g.open()
	<-calls
	stop()
	<-done
	assert.Empty(t, calls)
}
