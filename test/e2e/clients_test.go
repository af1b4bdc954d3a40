// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// acknowledgement is what a client was told last of a Sandbox.
type acknowledgement struct {
	uid  types.UID
	mode v1beta1.SandboxOperatingMode
}

// clients act on Sandboxes, each on some of its own, and repeat what was not acknowledged
// until it is.
type clients struct {
	ns      *harness.Space
	running sync.WaitGroup

	mu    sync.Mutex
	known map[string]acknowledgement
	acted int
	tried int
}

// startClients returns at once. The clients act until ctx ends; then they finish what
// they are at, and create what is missing.
func startClients(ctx context.Context, ns *harness.Space) *clients {
	c := &clients{ns: ns, known: map[string]acknowledgement{}}
	for i := range killedClients {
		c.running.Go(func() { c.run(ctx, i) })
	}
	return c
}

// finish waits for the clients and returns what they know.
func (c *clients) finish() map[string]acknowledgement {
	c.running.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.known)
}

// String is for the log of the test.
func (c *clients) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d Sandboxes, %d writes acknowledged of %d tried", len(c.known), c.acted, c.tried)
}

// run spreads the creates over the kills: a client makes one of its Sandboxes every few
// seconds, and in between suspends and resumes those that it has.
func (c *clients) run(ctx context.Context, number int) {
	const (
		share     = killedSandboxes / killedClients
		newOneIn  = 12
		pauseUpTo = 300 * time.Millisecond
	)
	random := rand.New(rand.NewPCG(*seed, uint64(1000+number)))
	name := func(i int) string { return fmt.Sprintf("s-%d-%d", number, i) }
	made := 0
	for ctx.Err() == nil {
		if made == 0 || made < share && random.IntN(newOneIn) == 0 {
			c.create(ctx, name(made))
			made++
		} else {
			c.toggle(ctx, name(random.IntN(made)))
		}
		pause(ctx, time.Duration(random.Int64N(int64(pauseUpTo))))
	}
	for ; made < share && !c.ns.T.Failed(); made++ {
		c.create(ctx, name(made))
	}
}

// pause returns after a while, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (c *clients) create(ctx context.Context, name string) {
	c.acknowledged(ctx, name, func(ctx context.Context) (*v1beta1.Sandbox, error) {
		created, err := c.ns.Sandboxes().Create(ctx, harness.Sandbox(name, harness.WithDisk("data")), metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) { // by a try whose answer was lost
			return c.ns.Sandboxes().Get(ctx, name, metav1.GetOptions{})
		}
		return created, err
	})
}

func (c *clients) toggle(ctx context.Context, name string) {
	c.mu.Lock()
	mode := c.known[name].mode
	c.mu.Unlock()
	c.acknowledged(ctx, name, func(ctx context.Context) (*v1beta1.Sandbox, error) {
		if mode == v1beta1.SandboxRunning {
			return c.ns.Sandboxes().Suspend(ctx, name, &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
		}
		return c.ns.Sandboxes().Resume(ctx, name, &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	})
}

// acknowledged repeats a write until the server has answered it. It does not end with
// ctx: a write that may or may not have happened is no fact to test against.
func (c *clients) acknowledged(ctx context.Context, name string, write func(context.Context) (*v1beta1.Sandbox, error)) {
	const again = 100 * time.Millisecond
	var last error
	err := wait.PollUntilContextTimeout(context.WithoutCancel(ctx), again, harness.Timeout, true, func(ctx context.Context) (bool, error) {
		c.mu.Lock()
		c.tried++
		c.mu.Unlock()
		sandbox, err := write(ctx)
		if last = err; err != nil {
			return false, nil
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.acted++
		c.known[name] = acknowledgement{uid: sandbox.UID, mode: sandbox.Spec.OperatingMode}
		return true, nil
	})
	if err != nil {
		c.ns.T.Errorf("writing Sandbox %s: %v, last: %v", name, err, last)
	}
}
