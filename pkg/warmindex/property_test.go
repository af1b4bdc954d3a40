// SPDX-License-Identifier: Apache-2.0

package warmindex

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/types"
)

// sequences is how many random sequences a property is checked with. Each has its number for a seed.
const sequences = 300

func eachSequence(t *testing.T) iter.Seq[*rand.Rand] {
	t.Helper()
	return func(yield func(*rand.Rand) bool) {
		var seed uint64
		defer func() {
			if t.Failed() {
				t.Logf("with seed %d", seed)
			}
		}()
		for ; seed < sequences; seed++ {
			if !yield(rand.New(rand.NewPCG(seed, 0))) || t.Failed() {
				return
			}
		}
	}
}

// etcd is the truth of a simulation: objects, one revision for all of them, and a log that watches read.
type etcd struct {
	revision uint64
	objects  map[Key]object
	log      []event
	made     int
}

type object struct {
	Entry[string]
	available bool
}

type event struct {
	object
	deleted bool
}

// write stores the object at a new revision.
func (e *etcd) write(o object) object {
	e.revision++
	o.Revision = e.revision
	e.objects[o.Key] = o
	e.log = append(e.log, event{object: o})
	return o
}

// create makes another object of the name each time.
func (e *etcd) create(key, pool Key) {
	e.made++
	uid := types.UID(fmt.Sprint("uid-", e.made))
	created := epoch.Add(time.Duration(e.made) * time.Second)
	e.write(object{Entry: Entry[string]{Key: key, Pool: pool, UID: uid, Created: created}, available: true})
}

func (e *etcd) remove(key Key) {
	o := e.objects[key]
	e.revision++
	delete(e.objects, key)
	e.log = append(e.log, event{object: o, deleted: true})
}

// commit claims the object if it is as the entry says.
func (e *etcd) commit(seen Entry[string]) (revision uint64, won bool) {
	o, exists := e.objects[seen.Key]
	if !exists || o.Revision != seen.Revision {
		return 0, false
	}
	o.available = false
	return e.write(o).Revision, true
}

// replica is an Index that reads the log with a lag, and the claims that are in flight on it.
type replica struct {
	index    *Index[string]
	position int
	flights  []*flight
	claimed  map[types.UID]bool // by this replica, and known to it
	lost     int
}

type flight struct {
	Reservation[string]
	decided  bool
	won      bool
	revision uint64
}

func newReplica(name string) *replica {
	return &replica{index: New[string](Options{Replica: name}), claimed: map[types.UID]bool{}}
}

// watch delivers the next event of the log.
func (r *replica) watch(e *etcd) {
	if r.position == len(e.log) {
		return
	}
	next := e.log[r.position]
	r.position++
	switch {
	case next.deleted:
		r.index.Delete(next.Key)
	case next.available:
		r.index.Put(next.Entry)
	default:
		r.index.Remove(next.Key, next.Revision)
	}
}

// relist skips to the present as an informer does: deletions first seen by absence, unchanged objects not seen at all.
func (r *replica) relist(e *etcd) {
	missed := map[Key]bool{}
	for _, skipped := range e.log[r.position:] {
		missed[skipped.Key] = true
	}
	r.position = len(e.log)
	for key := range missed {
		o, exists := e.objects[key]
		switch {
		case !exists:
			r.index.Delete(key)
		case o.available:
			r.index.Put(o.Entry)
		default:
			r.index.Remove(key, o.Revision)
		}
	}
}

func (r *replica) reserve(t *testing.T, pool Key) {
	t.Helper()
	reservation, ok := r.index.Reserve(pool)
	if !ok {
		return
	}
	assert.False(t, r.claimed[reservation.Entry().UID], "offered again after this replica claimed it")
	for _, other := range r.flights {
		assert.NotEqual(t, other.Entry().Key, reservation.Entry().Key, "offered to two")
	}
	r.flights = append(r.flights, &flight{Reservation: reservation})
}

// advance takes the flight one step on: the transaction, or the end of the reservation.
func (r *replica) advance(e *etcd, n int) {
	f := r.flights[n]
	if !f.decided {
		f.revision, f.won = e.commit(f.Entry())
		f.decided = true
		return
	}
	r.flights = slices.Delete(r.flights, n, n+1)
	if !f.won {
		f.Lost()
		r.lost++
		return
	}
	f.Confirm(f.revision)
	r.claimed[f.Entry().UID] = true
}

// finish ends what is in flight, lets the watch catch up, and returns what is offered then.
func (r *replica) finish(e *etcd, pools []Key) map[Key]uint64 {
	for len(r.flights) > 0 {
		r.advance(e, 0)
	}
	for r.position < len(e.log) {
		r.watch(e)
	}
	offered := map[Key]uint64{}
	for _, pool := range pools {
		for reservation, ok := r.index.Reserve(pool); ok; reservation, ok = r.index.Reserve(pool) {
			offered[reservation.Entry().Key] = reservation.Entry().Revision
			defer reservation.Release()
		}
	}
	return offered
}

// Whatever replicas, claims, watches and other writers do in whatever order: no replica offers a Sandbox twice or after it
// claimed it, and once all is quiet each offers exactly what is available, and remembers nothing else.
func TestReplicasAgreeWithEtcdInTheEnd(t *testing.T) {
	pools := []Key{blue, green}
	for random := range eachSequence(t) {
		e := &etcd{objects: map[Key]object{}}
		replicas := []*replica{newReplica("0"), newReplica("1"), newReplica("2")}
		for range 400 {
			key := sandboxKey(fmt.Sprint("s", random.IntN(12)))
			r := replicas[random.IntN(len(replicas))]
			o, exists := e.objects[key]
			switch what := random.IntN(12); {
			case what == 0 && exists:
				e.remove(key)
			case what <= 2 && !exists:
				e.create(key, pools[random.IntN(2)])
			case what == 1 && exists: // a status update
				e.write(o)
			case what == 2 && exists && !r.claimed[o.UID]: // it stops or begins to be Ready
				o.available = !o.available && !claimedByAny(replicas, o.UID)
				e.write(o)
			case what <= 5:
				r.watch(e)
			case what == 6 && random.IntN(5) == 0:
				r.relist(e)
			case what <= 8:
				r.reserve(t, pools[random.IntN(2)])
			case what <= 10 && len(r.flights) > 0:
				r.advance(e, random.IntN(len(r.flights)))
			case what == 11 && len(r.flights) > 0: // cancelled, or an answer that was never heard
				n := random.IntN(len(r.flights))
				r.flights[n].Release()
				r.flights = slices.Delete(r.flights, n, n+1)
			}
		}
		checkQuiet(t, e, replicas, pools)
	}
}

func claimedByAny(replicas []*replica, uid types.UID) bool {
	return slices.ContainsFunc(replicas, func(r *replica) bool {
		return r.claimed[uid] || slices.ContainsFunc(r.flights, func(f *flight) bool { return f.won && f.Entry().UID == uid })
	})
}

func checkQuiet(t *testing.T, e *etcd, replicas []*replica, pools []Key) {
	t.Helper()
	for _, r := range replicas {
		for len(r.flights) > 0 {
			r.advance(e, 0)
		}
	}
	truth := map[Key]uint64{}
	for key, o := range e.objects {
		if o.available {
			truth[key] = o.Revision
		}
	}
	for n, r := range replicas {
		assert.Equal(t, truth, r.finish(e, pools), "replica %d", n)
		assert.Len(t, r.index.slots, len(truth), "replica %d remembers what is not available", n)
		assert.Zero(t, r.index.Stats().Reserved)
	}
}

// Alone, a replica never loses: what it claimed is not offered again however far the watch lags behind.
func TestAReplicaNeverRacesWithItself(t *testing.T) {
	for random := range eachSequence(t) {
		e, r := &etcd{objects: map[Key]object{}}, newReplica("")
		for range 400 {
			switch what := random.IntN(5); {
			case what == 0:
				key := sandboxKey(fmt.Sprint("s", e.made))
				e.create(key, blue)
			case what == 1:
				r.watch(e)
			case what <= 3:
				r.reserve(t, blue)
			case len(r.flights) > 0:
				r.advance(e, random.IntN(len(r.flights)))
			}
		}
		r.finish(e, []Key{blue})
		assert.Zero(t, r.lost)
	}
}

// model says in the plainest way what an Index offers: the last word about each Sandbox, and all that ends have demanded.
type model struct {
	words   map[Key]Entry[string] // last seen available
	reached map[Key]uint64        // last revision seen
	demands map[Key][]uint64
	held    map[Key]bool
	waiting map[Key]int
}

func (m *model) offered(pool Key) []Entry[string] {
	var offered []Entry[string]
	for key, word := range m.words {
		late := slices.ContainsFunc(m.demands[key], func(demand uint64) bool { return word.Revision < demand })
		if word.Pool == pool && !m.held[key] && !late {
			offered = append(offered, word)
		}
	}
	slices.SortFunc(offered, func(a, b Entry[string]) int { return a.Created.Compare(b.Created) })
	return offered
}

func TestIndexOffersWhatTheModelDoes(t *testing.T) {
	for random := range eachSequence(t) {
		index := New[string](Options{})
		m := &model{map[Key]Entry[string]{}, map[Key]uint64{}, map[Key][]uint64{}, map[Key]bool{}, map[Key]int{}}
		var held []Reservation[string]
		pools := []Key{blue, green}
		for step := range uint64(400) {
			pool := pools[random.IntN(2)]
			key := sandboxKey(fmt.Sprint("s", random.IntN(8)))
			// News of a Sandbox may be old, but never older than what was seen of it before.
			revision := m.reached[key] + random.Uint64N(step+2-m.reached[key])
			switch random.IntN(8) {
			case 0, 1:
				word := entry(key.Name, revision)
				word.Pool, word.Created = pool, epoch.Add(time.Duration(random.Int64()%1e15))
				index.Put(word)
				m.words[key], m.reached[key] = word, revision
			case 2:
				index.Remove(key, revision)
				delete(m.words, key)
				m.reached[key] = revision
			case 3:
				count := random.IntN(3)
				index.SetWaiting(pool, count)
				m.waiting[pool] = count
			case 4, 5:
				held = modelReserve(t, index, m, held, pick{pool, key, random.IntN(3)})
			case 6, 7:
				held = modelEnd(m, held, random, step+2)
			}
			for _, pool := range pools {
				require.Equal(t, len(m.offered(pool)), index.Len(pool))
			}
		}
	}
}

type pick struct {
	pool, key Key
	how       int
}

// modelReserve reserves in one of three ways and compares with what the model has to offer.
func modelReserve(t *testing.T, index *Index[string], m *model, held []Reservation[string], p pick) []Reservation[string] {
	t.Helper()
	var got Reservation[string]
	var ok bool
	offered := m.offered(p.pool)
	spare := len(offered) > m.waiting[p.pool]
	var want []Entry[string]
	switch p.how {
	case 0:
		got, ok = index.Reserve(p.pool)
		if spare {
			want = offered[:1]
		}
	case 1:
		got, ok = index.ReserveForWaiting(p.pool)
		want = offered[:min(1, len(offered))]
	case 2:
		n := slices.IndexFunc(offered, func(e Entry[string]) bool { return e.Key == p.key })
		if n < 0 { // it may be of the other pool, which is another turn
			return held
		}
		got, ok = index.ReserveNamed(p.key)
		if spare {
			want = offered[n : n+1]
		}
	}
	require.Equal(t, len(want) == 1, ok)
	if !ok {
		return held
	}
	assert.Equal(t, want[0], got.Entry())
	m.held[got.Entry().Key] = true
	return append(held, got)
}

func modelEnd(m *model, held []Reservation[string], random *rand.Rand, now uint64) []Reservation[string] {
	if len(held) == 0 {
		return held
	}
	n := random.IntN(len(held))
	r := held[n]
	key, picked := r.Entry().Key, r.Entry().Revision
	switch random.IntN(3) {
	case 0:
		revision := picked + 1 + random.Uint64N(max(1, now-picked))
		r.Confirm(revision)
		m.demands[key] = append(m.demands[key], revision)
	case 1:
		r.Release()
	case 2:
		r.Lost()
		m.demands[key] = append(m.demands[key], picked+1)
	}
	delete(m.held, key)
	return slices.Delete(held, n, n+1)
}
