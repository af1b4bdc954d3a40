// SPDX-License-Identifier: Apache-2.0

package apiserver

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"k8s.io/apiserver/pkg/endpoints/request"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// flight is a claim, from when to when it is in flight, in milliseconds.
type flight struct{ arrives, answered int }

func TestYield(t *testing.T) {
	tests := map[string]struct {
		claims []flight
		// asked is when a controller asks, and waits how long it is kept, in milliseconds.
		asked, waits int
	}{
		"no claims":                    {nil, 0, 0},
		"one":                          {[]flight{{0, 5}}, 1, 4},
		"it has been answered":         {[]flight{{0, 5}}, 6, 0},
		"a burst: until the last":      {[]flight{{0, 10}, {0, 700}, {0, 300}}, 1, 699},
		"those that come meanwhile":    {[]flight{{0, 10}, {5, 20}, {19, 60}}, 1, 59},
		"a load that lasts":            {[]flight{{0, 60_000}}, 1, 1999},
		"by turns, without a pause":    {[]flight{{0, 1500}, {1400, 2900}, {2800, 4300}}, 1000, 1000},
		"it has lasted":                {[]flight{{0, 60_000}}, 3000, 0},
		"a pause gives back its time":  {[]flight{{0, 3000}, {4000, 9000}}, 4001, 999},
		"and no more than that":        {[]flight{{0, 3000}, {3010, 9000}}, 3011, 9},
		"nor more than they ever had":  {[]flight{{0, 10}, {9000, 20_000}}, 9001, 1999},
		"one after the other":          {[]flight{{0, 1900}, {1901, 3800}, {3801, 5700}}, 3900, 0},
		"with time in between":         {[]flight{{0, 900}, {1900, 2800}, {3800, 4700}}, 3801, 899},
		"the pause itself is no claim": {[]flight{{0, 10}, {20, 30}}, 15, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, began := &precedence{}, time.Now()
				var claims sync.WaitGroup
				defer claims.Wait()
				for _, claim := range test.claims {
					claims.Go(func() {
						<-time.After(time.Duration(claim.arrives) * time.Millisecond)
						defer p.enter()()
						<-time.After(time.Duration(claim.answered-claim.arrives) * time.Millisecond)
					})
				}
				<-time.After(time.Duration(test.asked) * time.Millisecond)
				p.Yield(t.Context())
				assert.Equal(t, test.asked+test.waits, int(time.Since(began).Milliseconds()))
			})
		})
	}
}

func TestYieldEndsWithItsContext(t *testing.T) {
	p := &precedence{}
	defer p.enter()()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	p.Yield(ctx)
	assert.Less(t, time.Since(began), claimsFirst)
}

func TestWhatCountsAsAClaim(t *testing.T) {
	for name, test := range map[string]struct {
		info request.RequestInfo
		want int
	}{
		"sandboxclaims":             {request.RequestInfo{Verb: "create", Resource: "sandboxclaims"}, 1},
		"sandboxwarmpools/claim":    {request.RequestInfo{Verb: "create", Resource: "sandboxwarmpools", Subresource: "claim"}, 1},
		"sandboxes/claim":           {request.RequestInfo{Verb: "create", Resource: "sandboxes", Subresource: "claim"}, 1},
		"a watch of claims":         {request.RequestInfo{Verb: "watch", Resource: "sandboxclaims"}, 0},
		"the status of a claim":     {request.RequestInfo{Verb: "update", Resource: "sandboxclaims", Subresource: "status"}, 0},
		"a Sandbox":                 {request.RequestInfo{Verb: "create", Resource: "sandboxes"}, 0},
		"another group's resource":  {request.RequestInfo{Verb: "create", Resource: "sandboxclaims", APIGroup: "example.com"}, 0},
		"a suspend":                 {request.RequestInfo{Verb: "create", Resource: "sandboxes", Subresource: "suspend"}, 0},
		"the deletion of all of it": {request.RequestInfo{Verb: "deletecollection", Resource: "sandboxclaims"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, seen := &precedence{}, -1
			if test.info.APIGroup == "" {
				test.info.APIGroup = sandbox.GroupName
			}
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r = r.WithContext(request.WithRequestInfo(r.Context(), &test.info))
			p.noted(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen = p.claims })).ServeHTTP(httptest.NewRecorder(), r)
			assert.Equal(t, test.want, seen)
			assert.Zero(t, p.claims, "it has been answered")
		})
	}
}
