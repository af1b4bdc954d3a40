// SPDX-License-Identifier: Apache-2.0

package violence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/scheme"
	"agents.x-k8s.io/sandbox-apiserver/test/e2e/history"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// recorder watches the etcd of the replicas.
type recorder struct {
	ns   *harness.Space
	etcd *clientv3.Client
	// from is the revision before the first write that is recorded.
	from int64
	stop context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	revision int64
	writes   []history.Write
	// stored is the last state of what exists, by key.
	stored map[string]history.Write
}

// record watches from now until finish.
func record(ns *harness.Space) *recorder {
	ns.T.Helper()
	etcd, err := clientv3.New(clientv3.Config{Endpoints: []string{ns.Cluster.EtcdEndpoint()}})
	require.NoError(ns.T, err)
	ctx, stop := context.WithCancel(ns.T.Context())
	r := &recorder{ns: ns, etcd: etcd, stop: stop, done: make(chan struct{}), stored: map[string]history.Write{}}
	r.from = r.now(ctx)
	go func() {
		defer close(r.done)
		// All keys: so the watch is known to have seen everything when it has seen the last write of any.
		for response := range etcd.Watch(ctx, "", clientv3.WithPrefix(), clientv3.WithRev(r.from+1)) {
			if err := response.Err(); err != nil && ctx.Err() == nil {
				ns.T.Errorf("watching etcd: %v", err)
			}
			r.see(response)
		}
	}()
	return r
}

// now is the revision of etcd.
func (r *recorder) now(ctx context.Context) int64 {
	response, err := r.etcd.Get(ctx, "none")
	if err != nil {
		if ctx.Err() == nil {
			r.ns.T.Errorf("asking etcd for its revision: %v", err)
		}
		return 0
	}
	return response.Header.Revision
}

func (r *recorder) see(response clientv3.WatchResponse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, marker := time.Now(), "/"+r.ns.Name+"/"
	for _, event := range response.Events {
		key := string(event.Kv.Key)
		r.revision = event.Kv.ModRevision
		if !strings.Contains(key, marker) {
			continue
		}
		write, ok := r.stored[key]
		if event.Type == clientv3.EventTypeDelete {
			write.Gone = true
			delete(r.stored, key)
		} else if write, ok = r.decode(event.Kv.Value); ok {
			r.stored[key] = write
		}
		if write.Revision, write.Seen = event.Kv.ModRevision, at; ok {
			r.writes = append(r.writes, write)
		}
	}
}

// decode is false for what is neither a Sandbox nor a claim.
func (r *recorder) decode(value []byte) (history.Write, bool) {
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(value, nil, nil)
	if err != nil {
		r.ns.T.Errorf("decoding what etcd holds: %v", err)
	}
	switch o := object.(type) {
	case *v1beta1.Sandbox:
		return history.Write{Sandbox: sandboxOf(o)}, true
	case *v1beta1.SandboxClaim:
		return history.Write{Claim: claimOf(o)}, true
	default:
		return history.Write{}, false
	}
}

func sandboxOf(s *v1beta1.Sandbox) *history.Sandbox {
	ready := meta.FindStatusCondition(s.Status.Conditions, v1beta1.ConditionReady)
	seen := &history.Sandbox{
		Name: s.Name, UID: string(s.UID), Ending: s.DeletionTimestamp != nil,
		Ready: ready != nil && ready.Status == metav1.ConditionTrue && ready.ObservedGeneration == s.Generation && len(s.Status.PodIPs) > 0,
	}
	if owner := metav1.GetControllerOf(s); owner != nil && owner.Kind == "SandboxWarmPool" {
		seen.Pool = owner.Name
	}
	if s.Spec.ClaimRef != nil {
		seen.Claim = string(s.Spec.ClaimRef.UID)
	}
	return seen
}

func claimOf(c *v1beta1.SandboxClaim) *history.Claim {
	seen := &history.Claim{Name: c.Name, UID: string(c.UID), Pool: c.Spec.WarmPoolRef.Name}
	if c.Status.Sandbox != nil {
		seen.Sandbox = c.Status.Sandbox.Name
	}
	return seen
}

// free are the names of the Sandboxes of a pool that nobody holds now.
func (r *recorder) free(pool string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, write := range r.stored {
		if s := write.Sandbox; s != nil && s.Pool == pool && s.Ready && s.Claim == "" && !s.Ending {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names) // or the seed would not repeat a choice
	return names
}

// hasSeen says whether the watch is still behind a revision: answers overtake it.
func (r *recorder) hasSeen(revision int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.revision < revision {
		return fmt.Errorf("the watch is at revision %d of %d", r.revision, revision)
	}
	return nil
}

// atRest says what has not come to its end yet.
func (r *recorder) atRest(replicas map[string]int) error {
	const quiet = time.Second
	for _, pool := range slices.Sorted(maps.Keys(replicas)) {
		if free := len(r.free(pool)); free != replicas[pool] {
			return fmt.Errorf("pool %s has %d Sandboxes available of %d", pool, free, replicas[pool])
		}
	}
	if err := r.hasSeen(r.now(r.ns.T.Context())); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	claims := map[string]bool{}
	for _, write := range r.stored {
		if c := write.Claim; c != nil && c.Sandbox == "" {
			return fmt.Errorf("claim %s waits", c.Name)
		} else if c != nil {
			claims[c.UID] = true
		}
	}
	for _, write := range r.stored {
		if s := write.Sandbox; s != nil && s.Claim != "" && !claims[s.Claim] {
			return fmt.Errorf("Sandbox %s is held by a claim that is gone", s.Name)
		}
	}
	if len(r.writes) > 0 && time.Since(r.writes[len(r.writes)-1].Seen) < quiet {
		return fmt.Errorf("something has just been written")
	}
	return nil
}

// String is for the log of the test.
func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	cold, warm, waiting := 0, 0, 0
	for _, write := range r.stored {
		switch {
		case write.Claim != nil && write.Claim.Sandbox == "":
			waiting++
		case write.Sandbox == nil || write.Sandbox.Claim == "":
		case strings.HasPrefix(write.Sandbox.Name, claimPrefix):
			cold++
		default:
			warm++
		}
	}
	return fmt.Sprintf("%d writes, %d Sandboxes held that were warm and %d cold, %d claims waiting", len(r.writes), warm, cold, waiting)
}

// finish returns all writes.
func (r *recorder) finish() []history.Write {
	r.stop()
	<-r.done
	_ = r.etcd.Close()
	return r.writes
}
