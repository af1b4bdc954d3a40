// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericoptions "k8s.io/apiserver/pkg/server/options"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

func TestWatchCached(t *testing.T) {
	for name, test := range map[string]struct {
		disabled bool
		sizes    []string
		want     map[string]bool
	}{
		"by default": {want: map[string]bool{"sandboxes": true, "sandboxclaims": true}},
		"0 turns one off": {
			sizes: []string{"sandboxes.sandbox.agents.x-k8s.io#0", "sandboxclaims.sandbox.agents.x-k8s.io#100"},
			want:  map[string]bool{"sandboxes": false, "sandboxclaims": true, "sandboxtemplates": true},
		},
		"all off": {disabled: true, sizes: []string{"sandboxes.sandbox.agents.x-k8s.io#100"}, want: map[string]bool{"sandboxes": false, "sandboxclaims": false}},
	} {
		t.Run(name, func(t *testing.T) {
			cached := WatchCached(&genericoptions.EtcdOptions{EnableWatchCache: !test.disabled, WatchCacheSizes: test.sizes})
			for resource, want := range test.want {
				assert.Equal(t, want, cached(schema.GroupResource{Group: sandbox.GroupName, Resource: resource}), resource)
			}
		})
	}
}

func TestValidateEtcd(t *testing.T) {
	for name, test := range map[string]struct {
		sizes, overrides []string
		says             string
	}{
		"nothing":          {},
		"good sizes":       {sizes: []string{"sandboxes.sandbox.agents.x-k8s.io#0"}},
		"no number":        {sizes: []string{"sandboxes.sandbox.agents.x-k8s.io#x"}, says: "--watch-cache-sizes"},
		"unknown resource": {sizes: []string{"sandboxs.sandbox.agents.x-k8s.io#0"}, says: "sandboxs"},
		"of no group":      {sizes: []string{"sandboxes#0"}, says: "sandbox.agents.x-k8s.io"},
		"overrides":        {overrides: []string{"sandbox.agents.x-k8s.io/sandboxes#http://127.0.0.1:1"}, says: "one transaction"},
	} {
		t.Run(name, func(t *testing.T) {
			errs := ValidateEtcd(&genericoptions.EtcdOptions{WatchCacheSizes: test.sizes, EtcdServersOverrides: test.overrides})
			if test.says == "" {
				assert.Empty(t, errs)
				return
			}
			require.Len(t, errs, 1)
			assert.ErrorContains(t, errs[0], test.says)
		})
	}
}
