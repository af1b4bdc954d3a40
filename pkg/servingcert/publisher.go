// SPDX-License-Identifier: Apache-2.0

package servingcert

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"agents.x-k8s.io/sandbox-apiserver/pkg/authority"
)

// apiServices is spoken to without its types: they would be a module of their own for two fields.
var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

// lookEvery is how often the APIService is looked at when no watch tells of a change.
const lookEvery = 30 * time.Second

// publisher keeps the bundle in the APIService.
type publisher struct {
	objects      dynamic.Interface
	apiService   string
	fieldManager string
	// bundle reads the Secret now.
	bundle func(context.Context) ([]byte, error)
	// seen is the bundle as it was last read from or written to the APIService; nil before that.
	seen atomic.Pointer[[]byte]
}

// sync publishes and returns when to look again.
func (p *publisher) sync(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := p.publish(ctx)
	published.Set(boolean(err == nil))
	return lookEvery, err
}

// publish writes the bundle unless it is there. When another replica is faster it looks again: whoever comes last has read
// the Secret after the APIService, so an old bundle never replaces a newer one.
func (p *publisher) publish(ctx context.Context) error {
	return wait.PollUntilContextCancel(ctx, 100*time.Millisecond, immediately, func(ctx context.Context) (bool, error) {
		version, there, err := p.read(ctx)
		if err != nil {
			return false, err
		}
		bundle, err := p.bundle(ctx)
		if err != nil {
			return false, err
		}
		if bytes.Equal(there, bundle) {
			return true, nil
		}
		err = p.apply(ctx, bundle, version)
		if apierrors.IsConflict(err) {
			return false, nil
		}
		return err == nil, err
	})
}

const immediately = true

// published says whether clients are given this bundle.
func (p *publisher) published(ctx context.Context, bundle []byte) (bool, error) {
	_, there, err := p.read(ctx)
	return bytes.Equal(there, bundle), err
}

// read returns the APIService's version and bundle.
func (p *publisher) read(ctx context.Context) (string, []byte, error) {
	object, err := p.objects.Resource(apiServices).Get(ctx, p.apiService, metav1.GetOptions{})
	if err != nil {
		return "", nil, fmt.Errorf("reading APIService %s: %w", p.apiService, err)
	}
	text, _, err := unstructured.NestedString(object.Object, "spec", "caBundle")
	if err != nil {
		return "", nil, fmt.Errorf("reading APIService %s: %w", p.apiService, err)
	}
	bundle, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", nil, fmt.Errorf("reading spec.caBundle of APIService %s: %w", p.apiService, err)
	}
	p.seen.Store(&bundle)
	return object.GetResourceVersion(), bundle, nil
}

// apply refuses to write on another version than the one that was read.
func (p *publisher) apply(ctx context.Context, bundle []byte, version string) error {
	desired := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiServices.GroupVersion().String(),
		"kind":       "APIService",
		"metadata":   map[string]any{"name": p.apiService, "resourceVersion": version},
		"spec":       map[string]any{"caBundle": base64.StdEncoding.EncodeToString(bundle)},
	}}
	options := metav1.ApplyOptions{FieldManager: p.fieldManager, Force: true}
	if _, err := p.objects.Resource(apiServices).Apply(ctx, p.apiService, desired, options); err != nil {
		return fmt.Errorf("publishing the authority in APIService %s: %w", p.apiService, err)
	}
	p.seen.Store(&bundle)
	klog.FromContext(ctx).Info("Published the authority", "apiService", p.apiService)
	return nil
}

// informer watches the one APIService, which needs no right to any other.
func (p *publisher) informer(wake chan<- struct{}) (cache.SharedIndexInformer, error) {
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, p.apiService).String()
	informer := dynamicinformer.NewFilteredDynamicInformer(p.objects, apiServices, metav1.NamespaceAll, 0, cache.Indexers{},
		func(o *metav1.ListOptions) { o.FieldSelector = selector }).Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { authority.Signal(wake) },
		UpdateFunc: func(any, any) { authority.Signal(wake) },
		DeleteFunc: func(any) { authority.Signal(wake) },
	})
	return informer, err
}
