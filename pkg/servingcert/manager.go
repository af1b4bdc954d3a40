// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"agents.x-k8s.io/sandbox-apiserver/pkg/authority"
)

// callTimeout bounds one round with the cluster.
const callTimeout = 30 * time.Second

// Options name what belongs to the server in the cluster. Times that are 0 get the authority's defaults.
type Options struct {
	Kube    kubernetes.Interface
	Objects dynamic.Interface
	// Namespace holds Service and Secret.
	Namespace, Service, Secret string
	// ClusterDomain ends the DNS names of Services.
	ClusterDomain string
	// APIService is the one whose caBundle is written.
	APIService string
	// FieldManager owns the caBundle.
	FieldManager string
	// Labels are set on the Secret, KeyPrefix begins its annotations.
	Labels    map[string]string
	KeyPrefix string

	AuthorityLifetime, Lifetime, Spread time.Duration
}

// Manager is the certificate of this process. All methods are safe for concurrent use.
type Manager struct {
	authority *authority.Authority
	publisher *publisher
	leaf      *servedLeaf
	name      string
}

// New asks the cluster nothing.
func New(o Options) (*Manager, error) {
	publisher := &publisher{objects: o.Objects, apiService: o.APIService, fieldManager: o.FieldManager}
	issuer, err := authority.New(authority.Options{
		Client: o.Kube, Namespace: o.Namespace, Name: o.Secret, Labels: o.Labels, KeyPrefix: o.KeyPrefix,
		Lifetime: o.AuthorityLifetime, LeafLifetime: o.Lifetime, Spread: o.Spread, Published: publisher.published,
	})
	if err != nil {
		return nil, err
	}
	publisher.bundle = issuer.Refresh
	name := o.Service + "." + o.Namespace + ".svc"
	names := []string{name, o.Service + "." + o.Namespace, name + "." + o.ClusterDomain, "localhost"}
	return &Manager{
		authority: issuer,
		publisher: publisher,
		name:      name,
		leaf: &servedLeaf{issuer: issuer, request: authority.Request{
			CommonName: name, DNSNames: names, IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, Usages: authority.Server,
		}},
	}, nil
}

// Ensure returns when there is a certificate to serve. It must have returned before the server listens.
func (m *Manager) Ensure(ctx context.Context) error {
	registerMetrics()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := m.authority.Ensure(ctx); err != nil {
		return fmt.Errorf("preparing the serving certificate: %w", err)
	}
	_, err := m.leaf.sync(ctx)
	return err
}

// Run keeps authority, certificate and caBundle up to date until ctx ends. What fails is logged and tried again.
func (m *Manager) Run(ctx context.Context) error {
	publish := make(chan struct{}, 1)
	informer, err := m.publisher.informer(publish)
	if err != nil {
		return fmt.Errorf("watching APIService %s: %w", m.publisher.apiService, err)
	}
	renew := make(chan struct{}, 1)
	m.authority.Notify(publish)
	m.authority.Notify(renew)
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { informer.RunWithContext(ctx) })
	running.Go(func() { authority.Follow(ctx, renew, m.leaf.sync) })
	running.Go(func() { authority.Follow(ctx, publish, m.publisher.sync) })
	return m.authority.Run(ctx)
}

// Reconnect makes kube-apiserver open new connections to the Service while requests in flight end on the old ones, by
// publishing a bundle with another reconnect generation. It returns when that is in the APIService; kube-apiserver sees
// it a moment later, and may see several calls in a row as one.
func (m *Manager) Reconnect(ctx context.Context) error {
	if err := m.authority.Reconnect(ctx); err != nil {
		return fmt.Errorf("asking for new connections: %w", err)
	}
	return m.publisher.publish(ctx)
}

var _ dynamiccertificates.CertKeyContentProvider = &Manager{}

// Name identifies the provider in logs.
func (m *Manager) Name() string { return "managed::" + m.authority.String() }

// CurrentCertKeyContent returns certificate and key in PEM, nothing before Ensure.
func (m *Manager) CurrentCertKeyContent() ([]byte, []byte) { return m.leaf.content() }

// AddListener tells the listener of every new certificate.
func (m *Manager) AddListener(listener dynamiccertificates.Listener) { m.leaf.addListener(listener) }

// servedLeaf is the certificate in use.
type servedLeaf struct {
	issuer  *authority.Authority
	request authority.Request

	mu        sync.Mutex
	current   *authority.Leaf
	listeners []dynamiccertificates.Listener
}

func (l *servedLeaf) content() ([]byte, []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil {
		return nil, nil
	}
	return l.current.Certificate, l.current.Key
}

func (l *servedLeaf) addListener(listener dynamiccertificates.Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listeners = append(l.listeners, listener)
}

// sync issues a new leaf if it is time, and returns when it will be.
func (l *servedLeaf) sync(context.Context) (time.Duration, error) {
	l.mu.Lock()
	leaf := l.current
	l.mu.Unlock()
	if leaf != nil {
		if after := l.issuer.RenewIn(leaf); after > 0 {
			return after, nil
		}
	}
	leaf, err := l.issuer.Issue(l.request)
	if err != nil {
		return 0, err
	}
	for _, listener := range l.use(leaf) {
		listener.Enqueue()
	}
	return l.issuer.RenewIn(leaf), nil
}

func (l *servedLeaf) use(leaf *authority.Leaf) []dynamiccertificates.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = leaf
	expiration.Set(float64(leaf.NotAfter.Unix()))
	return slices.Clone(l.listeners)
}
