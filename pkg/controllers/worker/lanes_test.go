// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

func TestOrderOfKeys(t *testing.T) {
	// Each step is a key, which is asked for: in the background with "~", as a retry with "!". "n/a" is in another namespace.
	tests := map[string]struct{ asked, order string }{
		"first come, first served":                        {"a b c", "a b c"},
		"the background comes last":                       {"~x ~y a b", "a b x y"},
		"except in its turn":                              {"~x ~y a b c d e f g", "a b c x d e f y g"},
		"nothing waits for an empty lane":                 {"~v ~w ~x ~y ~z", "v w x y z"},
		"asked for again, it moves":                       {"~x ~y a y", "a y x"},
		"asked for again in the background, it stays":     {"~x a ~a ~x b", "a b x"},
		"a retry is not of the background":                {"~x a !r", "a r x"},
		"what has moved counts once":                      {"~x x ~x a", "x a"},
		"a turn of the background passes over what moved": {"~x ~y x a b c", "x a b y c"},
		"namespaces take turns":                           {"a b c n/d n/e m/f", "a n/d m/f b n/e c"},
		"so they do in the background":                    {"~a ~b ~n/c", "a n/c b"},
			}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := newLanes()
			queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[Key]{Queue: order})
			defer queue.ShutDown()
			for _, step := range strings.Fields(test.asked) {
				key, err := cache.ParseObjectName(strings.TrimLeft(step, "~!"))
				require.NoError(t, err)
				if step[0] != '!' {
					order.ask(key, step[0] == '~')
				}
				queue.Add(key)
			}
			assert.Equal(t, len(strings.Fields(test.order)), queue.Len())
			var taken []string
			for queue.Len() > 0 {
				key, _ := queue.Get()
				taken = append(taken, key.String())
				queue.Done(key)
			}
			assert.Equal(t, test.order, strings.Join(taken, " "))
			assert.Empty(t, order.asked)
		})
	}
}

// What is asked for while its sync runs is queued when that ends, in the lane that was asked for.
func TestOrderOfKeysThatAreWorkedOn(t *testing.T) {
	for _, again := range []bool{true, false} {
		t.Run(fmt.Sprintf("background=%v", again), func(t *testing.T) {
			order := newLanes()
			queue := workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[Key]{Queue: order})
			defer queue.ShutDown()
			add := func(name string, inBackground bool) {
				order.ask(Key{Name: name}, inBackground)
				queue.Add(Key{Name: name})
			}
			add("x", true)
			key, _ := queue.Get()
			add("x", again)
			queue.Done(key)
			add("a", false)
			next, _ := queue.Get()
			assert.Equal(t, again, next.Name == "a")
		})
	}
}
