// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
)

// Keys of the ConfigMap.
const (
	keyEpoch    = "epoch"
	keyBeat     = "beat"
	keyRevision = "revision"
	keyCluster  = "etcdCluster"
	// keyLoss is for those who read the ConfigMap; the server believes etcd.
	keyLoss = "lossConfirmed"
)

// noteLimit is the longest note of an Event.
const noteLimit = 1024

// Marks keep the mark outside of etcd. Write answers errLost when the stored one is
// not the one that was read.
type Marks interface {
	Read(ctx context.Context) (Mark, error)
	Write(ctx context.Context, was Mark, p Position) error
}

// Reporter tells administrators what happened.
type Reporter interface {
	Report(ctx context.Context, e Event)
}

// Event is something that administrators want to know.
type Event struct {
	// Warning is about what needs them.
	Warning              bool
	Reason, Action, Note string
}

// ConfigMap is Marks in a ConfigMap, and a Reporter of Events about it.
type ConfigMap struct {
	Client          kubernetes.Interface
	Namespace, Name string
	// Component and Identity say who reports.
	Component, Identity string
}

var (
	_ Marks    = ConfigMap{}
	_ Reporter = ConfigMap{}
)

// Read implements Marks. A ConfigMap that holds something else is an error.
func (c ConfigMap) Read(ctx context.Context) (Mark, error) {
	found, err := c.Client.CoreV1().ConfigMaps(c.Namespace).Get(ctx, c.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Mark{}, nil
	}
	if err != nil {
		return Mark{}, fmt.Errorf("reading ConfigMap %s/%s: %w", c.Namespace, c.Name, err)
	}
	m, err := decodeMark(found.Data)
	if err != nil {
		return Mark{}, fmt.Errorf("reading ConfigMap %s/%s: %w (if etcd is the right one, delete the ConfigMap: it is made again)", c.Namespace, c.Name, err)
	}
	m.version, m.written = found.ResourceVersion, lastWrite(found)
	return m, nil
}

func lastWrite(object metav1.Object) (last time.Time) {
	for _, entry := range object.GetManagedFields() {
		if entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}

// Write implements Marks.
func (c ConfigMap) Write(ctx context.Context, was Mark, p Position) error {
	desired := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: c.Namespace, Name: c.Name, ResourceVersion: was.version,
			Labels: map[string]string{"app.kubernetes.io/part-of": c.Component, "app.kubernetes.io/managed-by": c.Component},
		},
		Data: encodeMark(p),
	}
	var err error
	if was.exists {
		_, err = c.Client.CoreV1().ConfigMaps(c.Namespace).Update(ctx, desired, metav1.UpdateOptions{})
	} else {
		_, err = c.Client.CoreV1().ConfigMaps(c.Namespace).Create(ctx, desired, metav1.CreateOptions{})
	}
	lost := apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || was.exists && apierrors.IsNotFound(err)
	if lost {
		err = errLost
	}
	if err != nil {
		return fmt.Errorf("writing ConfigMap %s/%s: %w", c.Namespace, c.Name, err)
	}
	return nil
}

// Report implements Reporter. Nobody waits for an Event that cannot be written: the
// log says the same.
func (c ConfigMap) Report(ctx context.Context, e Event) {
	kind := corev1.EventTypeNormal
	if e.Warning {
		kind = corev1.EventTypeWarning
	}
	_, err := c.Client.EventsV1().Events(c.Namespace).Create(ctx, &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: c.Namespace, GenerateName: c.Name + "-"},
		EventTime:           metav1.NewMicroTime(time.Now()),
		ReportingController: c.Component,
		ReportingInstance:   c.Identity[:min(len(c.Identity), 128)],
		Type:                kind,
		Reason:              e.Reason,
		Action:              e.Action,
		Note:                e.Note[:min(len(e.Note), noteLimit)],
		Regarding:           corev1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: c.Namespace, Name: c.Name},
	}, metav1.CreateOptions{})
	if err != nil {
		klog.FromContext(ctx).V(2).Info("An Event could not be written", "reason", e.Reason, "err", err)
	}
}

func encodeMark(p Position) map[string]string {
	data := map[string]string{
		keyEpoch:    p.Epoch,
		keyBeat:     strconv.FormatInt(p.Beat, 10),
		keyRevision: strconv.FormatInt(p.Revision, 10),
		keyCluster:  strconv.FormatUint(p.Cluster, 16),
	}
	if !p.LossConfirmed.IsZero() {
		data[keyLoss] = p.LossConfirmed.UTC().Format(time.RFC3339)
	}
	return data
}

func decodeMark(data map[string]string) (Mark, error) {
	m := Mark{exists: true, Position: Position{Epoch: data[keyEpoch]}}
	var errs [3]error
	m.Beat, errs[0] = strconv.ParseInt(data[keyBeat], 10, 64)
	m.Revision, errs[1] = strconv.ParseInt(data[keyRevision], 10, 64)
	m.Cluster, errs[2] = strconv.ParseUint(data[keyCluster], 16, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return Mark{}, err
	}
	if m.Epoch == "" {
		return Mark{}, errors.New("it has no epoch")
	}
	return m, nil
}
