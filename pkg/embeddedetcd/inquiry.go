// SPDX-License-Identifier: Apache-2.0

package embeddedetcd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/client/pkg/v3/types"
)

const (
	// membersPath is where etcd's peer port says who belongs to the cluster, which the
	// header names.
	membersPath     = "/members"
	clusterIDHeader = "X-Etcd-Cluster-Id"
	// emptyHeader marks the answer of a member that has no data and waits.
	emptyHeader = "X-Sandbox-Etcd-Empty"

	askTimeout     = 2 * time.Second
	maxAnswerBytes = 1 << 20
)

// inquiry asks the peer ports of the other members.
type inquiry struct {
	client *http.Client
	peers  map[string]string
}

func (m *Member) newInquiry() (*inquiry, error) {
	through, err := transport.NewTransport(m.options.Certificates.peer(), askTimeout)
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of the etcd member: %w", err)
	}
	q := &inquiry{client: &http.Client{Transport: through, Timeout: askTimeout}, peers: map[string]string{}}
	for name, urls := range m.peers {
		if name != m.options.Name {
			q.peers[name] = urls[0].String()
		}
	}
	return q, nil
}

func (q *inquiry) close() { q.client.CloseIdleConnections() }

// all asks every other member at once. The answers are in order of their names.
func (q *inquiry) all(ctx context.Context) []answer {
	answers := make(chan answer, len(q.peers))
	for name, peer := range q.peers {
		go func() {
			a, err := q.ask(ctx, peer)
			a.peer, a.silent = name, err != nil
			answers <- a
		}()
	}
	all := make([]answer, 0, len(q.peers))
	for range q.peers {
		all = append(all, <-answers)
	}
	slices.SortFunc(all, func(a, b answer) int { return strings.Compare(a.peer, b.peer) })
	return all
}

func (q *inquiry) ask(ctx context.Context, peer string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, peer+membersPath, nil)
	if err != nil {
		return answer{}, err
	}
	response, err := q.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil || response.Header.Get(emptyHeader) != "" {
		return answer{empty: true}, err
	}
	var a answer
	if a.clusterID, err = types.IDFromString(response.Header.Get(clusterIDHeader)); err != nil {
		return a, fmt.Errorf("reading the answer of %s: %w", peer, err)
	}
	if err := json.Unmarshal(body, &a.members); err != nil {
		return a, fmt.Errorf("reading the answer of %s: %w", peer, err)
	}
	if len(a.members) == 0 {
		// It belongs to a cluster and does not know yet to which.
		return a, fmt.Errorf("reading the answer of %s: no members", peer)
	}
	return a, nil
}

// waiting answers on the member's ports as long as etcd does not: peers that there is
// nothing here yet, the kubelet that the process lives and is not ready.
type waiting struct {
	servers []*http.Server
	done    sync.WaitGroup
}

func (m *Member) startWaiting(ctx context.Context) (*waiting, error) {
	certificates := m.options.Certificates.peer()
	config, err := certificates.ServerConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the certificates of the etcd member: %w", err)
	}
	w := &waiting{}
	peers := &http.Server{Handler: http.HandlerFunc(answerEmpty), TLSConfig: config, ReadHeaderTimeout: askTimeout}
	err = w.serve(ctx, m.options.Listen.hostPort(m.options.Listen.Peer), peers, func(l net.Listener) error { return peers.ServeTLS(l, "", "") })
	if err == nil {
		health := &http.Server{Handler: http.HandlerFunc(answerHealth), ReadHeaderTimeout: askTimeout}
		err = w.serve(ctx, m.options.Listen.hostPort(m.options.Listen.Health), health, health.Serve)
	}
	if err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

func (w *waiting) serve(ctx context.Context, address string, server *http.Server, serve func(net.Listener) error) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening while the etcd member waits: %w", err)
	}
	w.servers = append(w.servers, server)
	w.done.Go(func() {
		// Nobody to tell: who is not answered asks again.
		_ = serve(listener)
	})
	return nil
}

// stop returns when the ports are free again.
func (w *waiting) stop() {
	for _, server := range w.servers {
		_ = server.Close() // of connections there is nothing to finish
	}
	w.done.Wait()
}

func answerEmpty(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(emptyHeader, "true")
	// For etcd's own question, which wants a list.
	_, _ = io.WriteString(w, "[]")
}

func answerHealth(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/livez" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, "this etcd member has no data and waits for the others\n")
}
