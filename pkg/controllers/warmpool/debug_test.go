package warmpool

import (
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"fmt"
	"k8s.io/apimachinery/pkg/watch"
	"os"
	"strconv"
	"testing"
)

func TestDebug(t *testing.T) {
	seed, _ := strconv.Atoi(os.Getenv("SEED"))
	w := newWorld(t, uint64(seed))
	orig := w.server.created
	var lines []string
	say := func(a ...any) { lines = append(lines, fmt.Sprintln(a...)) }
	w.server.created = func() {
		say("  created", len(w.live()), "of", w.asked(), w.server.log[len(w.server.log)-1].object.GetName())
		orig()
	}
	w.server.refuse = func(s *v1beta1.Sandbox) fault {
		f := w.answer(s)
		say("  ask", s.Name, f.err, f.lands, f.later)
		return f
	}
	defer func() {
		for _, l := range lines[max(0, len(lines)-120):] {
			fmt.Print(l)
		}
	}()
	n := 0
	names := w.names()
	for range 400 {
		name := names[w.IntN(len(names))]
		if name == "sync" {
			for r := range w.replicas {
				if w.replicas[r] == w.leader {
					say(w.clock.Now().Format("05.000"), "sync", r, "behind", len(w.server.log)-w.leader.seen, w.leader.expectations.of(warm), "members", func() []string {
						var s []string
						for _, o := range w.leader.indexer(sandboxes).List() {
							sb := o.(*v1beta1.Sandbox)
							if !isMember(sb, w.pool()) {
								continue
							}
							s = append(s, fmt.Sprint(sb.Name, isMember(sb, w.pool()), sb.DeletionTimestamp != nil))
						}
						return s
					}())
				}
			}
		} else if name != "catch up" {
			say(w.clock.Now().Format("05.000"), name)
		}
		acts[name].do(w)
		if w.violation != "" {
			t.Fatal(w.violation)
		}
		for ; n < len(w.server.log); n++ {
			c := w.server.log[n]
			if c.resource == sandboxes && c.kind != watch.Added {
				say("  ", c.kind, c.object.GetName(), c.object.GetDeletionTimestamp() != nil, c.object.(*v1beta1.Sandbox).Spec.ClaimRef != nil)
			}
		}
	}
}
