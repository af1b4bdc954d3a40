// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

// Defaults of Options.
const (
	DefaultLifetime     = 365 * 24 * time.Hour
	DefaultLeafLifetime = 24 * time.Hour
	DefaultSpread       = time.Minute
)

// Options say which Secret, and how long everything takes. Processes that share a Secret should agree on them.
type Options struct {
	Client          kubernetes.Interface
	Namespace, Name string
	// Labels are set when the Secret is made.
	Labels map[string]string
	// KeyPrefix begins the keys of the Secret's annotations, without the slash.
	KeyPrefix string
	// Lifetime is that of an authority, at least five times LeafLifetime and Spread together.
	Lifetime time.Duration
	// LeafLifetime bounds that of every leaf.
	LeafLifetime time.Duration
	// Spread is how long a published bundle needs to reach everybody who verifies.
	Spread time.Duration
	// Published says whether the bundle is what those who verify are given. It is asked during a rotation, which waits for
	// it. Nil means that the Secret itself is the publication.
	Published func(ctx context.Context, bundle []byte) (bool, error)
	// Now is time.Now if it is nil.
	Now func() time.Time
}

// Authority is one process's view of the Secret. All methods are safe for concurrent use.
type Authority struct {
	options     Options
	annotations annotations
	maker       maker

	// reading is held from a read of the Secret to the end of what follows from it, so that what is read never goes back.
	reading sync.Mutex
	current atomic.Pointer[state]

	listening sync.Mutex
	listeners []chan<- struct{}
}

// New fills in the defaults and refuses times that cannot work.
func New(o Options) (*Authority, error) {
	for field, value := range map[*time.Duration]time.Duration{
		&o.Lifetime: DefaultLifetime, &o.LeafLifetime: DefaultLeafLifetime, &o.Spread: DefaultSpread,
	} {
		if *field == 0 {
			*field = value
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := CheckTimes(o.Lifetime, o.LeafLifetime, o.Spread); err != nil {
		return nil, fmt.Errorf("keeping an authority in Secret %s/%s: %w", o.Namespace, o.Name, err)
	}
	return &Authority{
		options:     o,
		annotations: annotationsOf(o.KeyPrefix),
		maker:       maker{commonName: o.Name, lifetime: o.Lifetime, leaves: o.LeafLifetime + o.Spread},
	}, nil
}

// CheckTimes refuses an authority that would end before a rotation is over.
func CheckTimes(lifetime, leafLifetime, spread time.Duration) error {
	if leafLifetime <= 0 || spread <= 0 {
		return fmt.Errorf("the life of a certificate (%s) and the time to spread (%s) must be more than 0", leafLifetime, spread)
	}
	if least := shareLeft * (leafLifetime + spread); lifetime < least {
		return fmt.Errorf("an authority that lives %s is too short: with certificates of %s and %s to spread it needs %s",
			lifetime, leafLifetime, spread, least)
	}
	return nil
}

// Ensure returns when the authority can issue: it has been read, or made. It may be called again.
func (a *Authority) Ensure(ctx context.Context) error {
	_, err := a.sync(ctx)
	if err == nil {
		return nil
	}
	if s := a.current.Load(); s == nil || !a.options.Now().Before(s.signer.certificate.NotAfter) {
		return err
	}
	klog.FromContext(ctx).Error(err, "Using the authority as it is", "secret", klog.KRef(a.options.Namespace, a.options.Name))
	return nil
}

// Bundle returns what to trust, in PEM: all authorities whose leaves are in use. Nil before Ensure.
func (a *Authority) Bundle() []byte {
	if s := a.current.Load(); s != nil {
		return s.bundle()
	}
	return nil
}

// Certificates returns the bundle without the reconnect generation.
func (a *Authority) Certificates() []byte {
	if s := a.current.Load(); s != nil {
		return s.certificates()
	}
	return nil
}

// Notify signals wake, see Signal, when signer or bundle have changed.
func (a *Authority) Notify(wake chan<- struct{}) {
	a.listening.Lock()
	defer a.listening.Unlock()
	a.listeners = append(a.listeners, wake)
}

// Refresh reads the Secret now, and returns the bundle as it is there.
func (a *Authority) Refresh(ctx context.Context) ([]byte, error) {
	a.reading.Lock()
	defer a.reading.Unlock()
	_, s, err := a.read(ctx)
	if err != nil {
		return nil, err
	}
	return s.bundle(), nil
}

// Reconnect raises the reconnect generation, so that the bundle changes and its readers open new connections. It returns
// when that is in the Secret, not when it has been published.
func (a *Authority) Reconnect(ctx context.Context) error {
	_, err := a.change(ctx, func(s *state) (*state, time.Duration, error) {
		after := *s
		after.reconnects++
		return &after, 0, nil
	})
	return err
}

// sync takes the next step of the rotation, if it is time, and returns when to look again.
func (a *Authority) sync(ctx context.Context) (time.Duration, error) {
	var step action
	after, err := a.change(ctx, func(s *state) (*state, time.Duration, error) {
		published := true
		if s.next != nil && a.options.Published != nil {
			var err error
			if published, err = a.options.Published(ctx, s.bundle()); err != nil {
				return nil, 0, fmt.Errorf("asking whether the bundle is published: %w", err)
			}
		}
		now := a.options.Now()
		decided := plan(s, published, a.options.Spread, now)
		step = decided.action
		next, err := a.maker.apply(s, step, now)
		return next, decided.after, err
	})
	if err == nil && step != none {
		klog.FromContext(ctx).Info("Rotating the authority", "secret", klog.KRef(a.options.Namespace, a.options.Name), "step", step)
	}
	a.observe(err)
	return min(after, a.resync()), err
}

// resync bounds how long a change stays unseen by a process whose watch is dead: well within Spread.
func (a *Authority) resync() time.Duration { return min(a.options.Spread/2, time.Minute) }

// attempts bound how often a write is tried again that others came before.
const attempts = 10

// change reads the Secret, asks what it should be, and writes that at the version it has read, until nobody was faster.
func (a *Authority) change(ctx context.Context, decide func(*state) (*state, time.Duration, error)) (time.Duration, error) {
	a.reading.Lock()
	defer a.reading.Unlock()
	for range attempts {
		secret, s, err := a.read(ctx)
		if err != nil {
			return 0, err
		}
		next, after, err := decide(s)
		if err != nil {
			return 0, err
		}
		err = a.write(ctx, secret, next)
		switch {
		case err == nil:
			a.set(next)
			return after, nil
		case !apierrors.IsConflict(err) && !apierrors.IsNotFound(err):
			return 0, fmt.Errorf("updating %s: %w", a, err)
		}
	}
	return 0, fmt.Errorf("updating %s: others were faster %d times", a, attempts)
}

// read returns the Secret and what it says, making it first if there is none.
func (a *Authority) read(ctx context.Context) (*corev1.Secret, *state, error) {
	secrets := a.options.Client.CoreV1().Secrets(a.options.Namespace)
	secret, err := secrets.Get(ctx, a.options.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		if secret, err = a.create(ctx); apierrors.IsAlreadyExists(err) {
			secret, err = secrets.Get(ctx, a.options.Name, metav1.GetOptions{})
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", a, err)
	}
	s, err := a.annotations.decode(secret)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w; put the authority back, or delete the Secret to have a new one made", a, err)
	}
	a.set(s)
	return secret, s, nil
}

func (a *Authority) create(ctx context.Context) (*corev1.Secret, error) {
	first, err := a.maker.first(a.options.Now())
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.options.Namespace, Name: a.options.Name, Labels: a.options.Labels},
		Type:       corev1.SecretTypeTLS,
	}
	if err := a.annotations.encode(first, secret); err != nil {
		return nil, err
	}
	created, err := a.options.Client.CoreV1().Secrets(a.options.Namespace).Create(ctx, secret, metav1.CreateOptions{})
	if err == nil {
		klog.FromContext(ctx).Info("Made an authority", "secret", klog.KObj(secret))
	}
	return created, err
}

// write updates the Secret if it is not yet as next says.
func (a *Authority) write(ctx context.Context, secret *corev1.Secret, next *state) error {
	desired := secret.DeepCopy()
	if err := a.annotations.encode(next, desired); err != nil {
		return err
	}
	if maps.EqualFunc(desired.Data, secret.Data, bytes.Equal) && maps.Equal(desired.Annotations, secret.Annotations) {
		return nil
	}
	if desired.ResourceVersion == "" {
		return errors.New("the Secret was read without a version")
	}
	_, err := a.options.Client.CoreV1().Secrets(a.options.Namespace).Update(ctx, desired, metav1.UpdateOptions{})
	return err
}

// set takes over what the Secret says and tells the listeners.
func (a *Authority) set(s *state) {
	before := a.current.Swap(s)
	if before != nil && bytes.Equal(before.bundle(), s.bundle()) && bytes.Equal(before.signer.certificate.Raw, s.signer.certificate.Raw) {
		return
	}
	a.observeExpiry(s)
	a.listening.Lock()
	defer a.listening.Unlock()
	for _, listener := range a.listeners {
		Signal(listener)
	}
}

// String names the Secret, for errors.
func (a *Authority) String() string {
	return fmt.Sprintf("Secret %s/%s", a.options.Namespace, a.options.Name)
}
