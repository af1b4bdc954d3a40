// SPDX-License-Identifier: Apache-2.0

package authority

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// Run follows the Secret and takes the steps of a rotation until ctx ends. A change by somebody else is known here a moment
// later; without a working watch, after Options.Spread at the latest. What fails is logged and tried again.
func (a *Authority) Run(ctx context.Context) error {
	logger := klog.FromContext(ctx).WithValues("secret", klog.KRef(a.options.Namespace, a.options.Name))
	ctx = klog.NewContext(ctx, logger)
	wake := make(chan struct{}, 1)
	informer, err := a.informer(wake)
	if err != nil {
		return err
	}
	var watching sync.WaitGroup
	watching.Go(func() { informer.RunWithContext(ctx) })
	Follow(ctx, wake, a.sync)
	watching.Wait()
	return nil
}

// informer watches the one Secret, which needs no right to any other.
func (a *Authority) informer(wake chan<- struct{}) (cache.SharedIndexInformer, error) {
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, a.options.Name).String()
	factory := informers.NewSharedInformerFactoryWithOptions(a.options.Client, 0, informers.WithNamespace(a.options.Namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = selector }))
	informer := factory.Core().V1().Secrets().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { Signal(wake) },
		UpdateFunc: func(any, any) { Signal(wake) },
		DeleteFunc: func(any) { Signal(wake) },
	})
	return informer, err
}
