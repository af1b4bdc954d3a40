// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

const (
	// shortest keeps a sync that always asks to be called at once from taking the processor.
	shortest   = 50 * time.Millisecond
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second
	// jitter keeps replicas from acting in the same moment.
	jitter = 0.1
)

// Follow calls sync at once, whenever wake says so, and when the time has passed that the last call asked for, until ctx
// ends. After an error it tries again after half a second, then after twice as long each time, at most 30 seconds; wake cuts
// that short, too. The error is logged.
func Follow(ctx context.Context, wake <-chan struct{}, sync func(context.Context) (time.Duration, error)) {
	retry := firstRetry
	for ctx.Err() == nil {
		after, err := sync(ctx)
		switch {
		case err == nil:
			retry = firstRetry
		case ctx.Err() != nil:
			return
		default:
			klog.FromContext(ctx).Error(err, "Trying again", "after", retry)
			after, retry = retry, min(2*retry, lastRetry)
		}
		timer := time.NewTimer(wait.Jitter(max(after, shortest), jitter))
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Signal wakes whoever follows wake, a channel with a buffer of one: once for any number of calls in between.
func Signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
