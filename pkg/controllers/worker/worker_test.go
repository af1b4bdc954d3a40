// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/component-base/metrics/testutil"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/ktesting"
)

var (
	a = Key{Namespace: "default", Name: "a"}
	b = Key{Namespace: "default", Name: "b"}

	errConflict = fmt.Errorf("writing status: %w",
		apierrors.NewConflict(schema.GroupResource{Resource: "sandboxes"}, "a", errors.New("changed")))
)

// recorder is a Sync that notes its calls and answers from a script.
type recorder struct {
	answer func(key Key, call int) (Result, error) // nil: always succeed

	mu    sync.Mutex
	calls []Key
}

func (r *recorder) Sync(_ context.Context, key Key) (Result, error) {
	r.mu.Lock()
	r.calls = append(r.calls, key)
	call := 0
	for _, earlier := range r.calls {
		if earlier == key {
			call++
		}
	}
	r.mu.Unlock()
	if r.answer == nil {
		return Result{}, nil
	}
	return r.answer(key, call)
}

func (r *recorder) seen() []Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Key(nil), r.calls...)
}

func seed(keys ...Key) func() []Key { return func() []Key { return keys } }

// start runs a term until the returned function has ended it.
func start(t *testing.T, w *Worker) (stop func()) {
	t.Helper()
	_, ctx := ktesting.NewTestContext(t)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx)
	}()
	synctest.Wait()
	return func() {
		cancel()
		<-done
	}
}

// advance moves the clock of a synctest bubble and lets everything happen that is due.
func advance(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // in a bubble it takes no time
	synctest.Wait()
}

func TestSeedAndEnqueueAreSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		w := New(Options{Name: "seeded", Sync: r.Sync, Seed: seed(a), Workers: 1})
		stop := start(t, w)
		assert.Equal(t, []Key{a}, r.seen())

		w.Enqueue(b)
		synctest.Wait()
		assert.Equal(t, []Key{a, b}, r.seen())

		advance(time.Hour)
		assert.Len(t, r.seen(), 2, "a success is not repeated")
		stop()
	})
}

func TestDelays(t *testing.T) {
	t.Run("RequeueAfter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{answer: func(_ Key, call int) (Result, error) {
				if call == 1 {
					return Result{RequeueAfter: time.Minute}, nil
				}
				return Result{}, nil
			}}
			stop := start(t, New(Options{Name: "requeueing", Sync: r.Sync, Seed: seed(a), Workers: 1}))
			defer stop()
			advance(59 * time.Second)
			assert.Len(t, r.seen(), 1)
			advance(time.Second)
			assert.Len(t, r.seen(), 2)
			advance(time.Hour)
			assert.Len(t, r.seen(), 2)
		})
	})
	t.Run("EnqueueAfter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &recorder{}
			w := New(Options{Name: "delayed", Sync: r.Sync, Seed: seed(), Workers: 1})
			stop := start(t, w)
			defer stop()
			w.EnqueueAfter(a, time.Hour)
			w.EnqueueAfter(a, time.Minute)
			advance(59 * time.Second)
			assert.Empty(t, r.seen())
			advance(time.Second)
			assert.Len(t, r.seen(), 1)
		})
	})
}

func TestRetries(t *testing.T) {
	tests := map[string]struct {
		fail    func() error
		logged  bool
		outcome outcome
	}{
		"error":    {fail: func() error { return errors.New("creating pod: refused") }, logged: true, outcome: failed},
		"conflict": {fail: func() error { return errConflict }, outcome: conflict},
		"panic":    {fail: func() error { panic("no such field") }, logged: true, outcome: panicked},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				retried, ended := observed(t, name, test.outcome), observed(t, name, succeeded)
				r := &recorder{answer: func(key Key, call int) (Result, error) {
					if key == a && call <= 3 {
						return Result{}, test.fail()
					}
					return Result{}, nil
				}}
				logger := ktesting.NewLogger(t, ktesting.NewConfig(ktesting.BufferLogs(true)))
				ctx, cancel := context.WithCancel(klog.NewContext(t.Context(), logger))
				w := New(Options{Name: name, Sync: r.Sync, Seed: seed(a, b), Workers: 1})
				done := make(chan struct{})
				go func() { defer close(done); w.Run(ctx) }()

				advance(time.Minute)
				cancel()
				<-done

				assert.Equal(t, []Key{a, b, a, a, a}, r.seen(), "the other key does not wait, the failing one comes back until it succeeds")
				assert.EqualValues(t, 3, observed(t, name, test.outcome)-retried)
				assert.EqualValues(t, 2, observed(t, name, succeeded)-ended)
				logs := logger.GetSink().(ktesting.Underlier).GetBuffer().Data()
				assert.Equal(t, test.logged, errorsIn(logs) > 0)
			})
		})
	}
}

func errorsIn(logs ktesting.Log) int {
	count := 0
	for _, entry := range logs {
		if entry.Type == ktesting.LogError {
			count++
		}
	}
	return count
}

func observed(t *testing.T, controller string, result outcome) uint64 {
	t.Helper()
	register()
	labels := map[string]string{"controller": controller, "result": string(result)}
	histograms, err := testutil.GetHistogramVecFromGatherer(legacyregistry.DefaultGatherer, "sandbox_apiserver_controller_sync_duration_seconds", labels)
	if err != nil {
		return 0 // a series exists from its first observation on
	}
	return histograms.GetAggregatedSampleCount()
}

func TestBackOffGrowsAndIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		r := &recorder{answer: func(_ Key, call int) (Result, error) {
			at = append(at, time.Since(begin))
			switch call {
			case 4:
				return Result{RequeueAfter: time.Minute}, nil
			case 6:
				return Result{}, nil
			default:
				return Result{}, errors.New("refused")
			}
		}}
		w := New(Options{Name: "backing off", Sync: r.Sync, Seed: seed(a), Workers: 1})
		stop := start(t, w)
		advance(2 * time.Minute)
		w.Enqueue(a)
		advance(7 * time.Millisecond)
		stop()

		const ms = time.Millisecond
		assert.Equal(t, []time.Duration{
			0, 5 * ms, 15 * ms, 35 * ms, // doubling
			time.Minute + 35*ms, time.Minute + 40*ms, // from the start after a requeue
			2 * time.Minute, 2*time.Minute + 5*ms, // and after a success
		}, at)
	})
}

func TestOneKeyIsNeverSyncedTwiceAtATime(t *testing.T) {
	var running, most, others atomic.Int32
	var calls atomic.Int32
	sync := func(_ context.Context, key Key) (Result, error) {
		if key != a {
			others.Add(1)
			return Result{}, nil
		}
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		calls.Add(1)
		<-time.After(time.Second)
		return Result{}, nil
	}
	synctest.Test(t, func(t *testing.T) {
		w := New(Options{Name: "exclusive", Sync: sync, Seed: seed(a), Workers: 4})
		stop := start(t, w)
		for range 3 {
			w.Enqueue(a)
		}
		w.Enqueue(b)
		synctest.Wait()
		assert.EqualValues(t, 1, calls.Load())
		assert.EqualValues(t, 1, others.Load(), "another key has another worker")

		advance(time.Minute)
		assert.EqualValues(t, 2, calls.Load(), "what was enqueued during a sync is synced once after it")
		assert.EqualValues(t, 1, most.Load())
		stop()
	})
}

func TestRunOutlivesEverySync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := observed(t, "outliving", cancelled)
		release := make(chan struct{})
		var told, written atomic.Bool
		var calls atomic.Int32
		w := New(Options{
			Name: "outliving", Seed: seed(a, b), Workers: 1,
			Sync: func(ctx context.Context, _ Key) (Result, error) {
				calls.Add(1)
				<-ctx.Done()
				told.Store(true)
				<-release
				written.Store(true)
				return Result{}, ctx.Err()
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx) }()
		synctest.Wait()
		cancel()
		synctest.Wait()

		assert.True(t, told.Load(), "the sync learns of the end")
		select {
		case <-done:
			t.Fatal("Run returned while a sync was running")
		default:
		}
		close(release)
		<-done
		assert.True(t, written.Load())
		assert.EqualValues(t, 1, calls.Load(), "the waiting key is dropped")
		assert.EqualValues(t, 1, observed(t, "outliving", cancelled)-before)
	})
}

func TestWorkYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, free := &recorder{}, make(chan struct{})
		w := New(Options{Name: "yielding", Sync: r.Sync, Seed: seed(a, b), Workers: 2, Yield: func(ctx context.Context) {
			select {
			case <-free:
			case <-ctx.Done():
			}
		}})
		for range 2 { // terms that end while all yield
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); w.Run(ctx) }()
			synctest.Wait()
			assert.Empty(t, r.seen(), "something more urgent goes on")
			cancel()
			<-done
		}
		assert.Empty(t, r.seen(), "what has yielded to the end of the term is dropped")

		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); w.Run(ctx) }()
		synctest.Wait()
		close(free)
		synctest.Wait()
		assert.ElementsMatch(t, []Key{a, b}, r.seen())
		cancel()
		<-done
	})
}

func TestTerms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		w := New(Options{Name: "restarting", Sync: r.Sync, Seed: seed(a), Workers: 2})
		w.Enqueue(b)
		w.EnqueueAfter(b, time.Second)
		stop := start(t, w)
		w.EnqueueAfter(b, time.Minute)
		stop()
		w.Enqueue(b)
		require.Equal(t, []Key{a}, r.seen(), "before and between terms keys are dropped")

		stop = start(t, w)
		advance(time.Hour)
		assert.Equal(t, []Key{a, a}, r.seen(), "each term begins with the seed and with nothing of the last")
		w.Enqueue(b)
		synctest.Wait()
		assert.Equal(t, []Key{a, a, b}, r.seen())
		stop()
	})
}

func TestTermsNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int32
		w := New(Options{Name: "alone", Seed: seed(a), Workers: 1, Sync: func(context.Context, Key) (Result, error) {
			calls.Add(1)
			<-release
			return Result{}, nil
		}})
		stopFirst := start(t, w)
		ended := make(chan struct{})
		go func() { defer close(ended); stopFirst() }()
		synctest.Wait() // the first term is over for everybody but its sync

		stopSecond := start(t, w)
		assert.EqualValues(t, 1, calls.Load(), "the second term waits")
		stopThird := start(t, w)
		stopThird() // one that ends while it waits returns at once

		close(release)
		<-ended
		synctest.Wait()
		assert.EqualValues(t, 2, calls.Load())
		stopSecond()
	})
}

// checker is a cache that has synced when its channel is closed.
type checker chan struct{}

func (checker) Name() string            { return "sandboxes" }
func (c checker) Done() <-chan struct{} { return c }

func TestWaitsForCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		synced := make(checker)
		r := &recorder{}
		w := New(Options{Name: "waiting", Sync: r.Sync, Seed: seed(a), Synced: []cache.DoneChecker{synced}, Workers: 1})

		stop := start(t, w)
		stop() // a term may end while it waits

		stop = start(t, w)
		w.Enqueue(b)
		synctest.Wait()
		assert.Empty(t, r.seen())
		close(synced)
		synctest.Wait()
		assert.ElementsMatch(t, []Key{a, b}, r.seen(), "what was enqueued while waiting is kept")
		stop()
	})
}
