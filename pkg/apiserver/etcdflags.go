// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	genericoptions "k8s.io/apiserver/pkg/server/options"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// stored are the resources that have storage.
var stored = []string{"sandboxes", "sandboxtemplates", "sandboxwarmpools", "sandboxclaims"}

// errOverrides: the stock flag would be accepted and do nothing.
var errOverrides = errors.New("--etcd-servers-overrides is not supported: a claim and its Sandbox are written in one transaction, " +
	"so all resources are in one etcd, that of --etcd-servers")

// ValidateEtcd checks the stock flags that mean something else here.
func ValidateEtcd(etcd *genericoptions.EtcdOptions) []error {
	var errs []error
	if len(etcd.EtcdServersOverrides) > 0 {
		errs = append(errs, errOverrides)
	}
	sizes, err := genericoptions.ParseWatchCacheSizes(etcd.WatchCacheSizes)
	if err != nil {
		return append(errs, fmt.Errorf("--watch-cache-sizes: %w", err))
	}
	for resource := range sizes {
		if resource.Group != sandbox.GroupName || !slices.Contains(stored, resource.Resource) {
			errs = append(errs, fmt.Errorf("--watch-cache-sizes: there is no resource %q, only %v of group %s", resource, stored, sandbox.GroupName))
		}
	}
	return errs
}

// WatchCached says which resources have a watch cache. --watch-cache-sizes turns
// it off with size 0; other sizes are not needed any more, since caches size
// themselves. The options must be valid.
func WatchCached(etcd *genericoptions.EtcdOptions) func(schema.GroupResource) bool {
	sizes, _ := genericoptions.ParseWatchCacheSizes(etcd.WatchCacheSizes)
	return func(resource schema.GroupResource) bool {
		size, given := sizes[resource]
		return etcd.EnableWatchCache && (!given || size > 0)
	}
}
