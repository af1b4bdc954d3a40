// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

func TestOrderOfKeys(t *testing.T) {
	// Each step adds a key, which is urgent with "!" and of the background with "~". "n/a" is in another namespace.
	tests := map[string]struct{ added, taken string }{
		"first come, first served":              {"a b c", "a b c"},
		"the urgent first, the background last": {"~x a !u", "u a x"},
		"half of the turns are the urgent's":    {"!a !b !c !d !e x y z ~v ~w", "a x b v c y d w e z"},
		"nothing waits for an empty lane":       {"~v ~w ~x ~y ~z", "v w x y z"},
		"a turn that nobody takes is the next":  {"!a !b !c ~x ~y", "a b c x y"},
		"more urgent than it was, it moves":     {"~x ~y a !y", "y a x"},
		"less urgent than it was, it stays":     {"!x !y a ~y", "x a y"},
		"what has moved counts once":            {"~x !x a ~y", "x a y"},
		"namespaces take turns":                 {"a b c n/d n/e m/f", "a n/d m/f b n/e c"},
		"so they do in the background":          {"~a ~b ~n/c", "a n/c b"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			next := Normal
			queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[Key]{Queue: newLanes(func(Key) Urgency { return next })})
			defer queue.ShutDown()
			for _, step := range strings.Fields(test.added) {
				key, err := cache.ParseObjectName(strings.TrimLeft(step, "~!"))
				require.NoError(t, err)
				switch next = Normal; step[0] {
				case '!':
					next = Urgent
				case '~':
					next = Background
				}
				queue.Add(key)
			}
			assert.Equal(t, len(strings.Fields(test.taken)), queue.Len())
			var taken []string
			for queue.Len() > 0 {
				key, _ := queue.Get()
				taken = append(taken, key.String())
				queue.Done(key)
			}
			assert.Equal(t, test.taken, strings.Join(taken, " "))
		})
	}
}

func TestWorkerSyncsTheUrgentFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last, first := Key{Namespace: "default", Name: "last"}, Key{Namespace: "default", Name: "first"}
		busy := make(chan struct{})
		r := &recorder{answer: func(key Key, _ int) (Result, error) {
			if key == a {
				<-busy
			}
			return Result{}, nil
		}}
		w := New(Options{Name: "urgent", Sync: r.Sync, Seed: seed(a), Workers: 1, Urgency: func(key Key) Urgency {
			return map[Key]Urgency{a: Urgent, first: Urgent, b: Normal, last: Background}[key]
		}})
		defer start(t, w)()
		synctest.Wait()
		w.Enqueue(last)
		w.Enqueue(b)
		w.Enqueue(first)
		close(busy)
		synctest.Wait()
		assert.Equal(t, []Key{a, b, first, last}, r.seen(), "the second turn is that of what is neither")
	})
}
