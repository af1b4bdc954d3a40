// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"

	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/claim"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/endpoints"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/janitor"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/orphan"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/template"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/warmpool"
)

// Controller works while its replica leads.
type Controller interface {
	// Run blocks until ctx ends and nothing of the controller runs any more. It
	// is called once for each term, never twice at a time.
	Run(ctx context.Context)
}

// Descriptor says how a controller is built.
type Descriptor struct {
	// Name is used in logs and metrics.
	Name string
	// Workers is the number of keys that are synced at a time.
	Workers int
	// New builds the controller to run with that many workers; nothing runs yet.
	New func(d Dependencies, workers int) Controller
}

// Descriptors returns every controller of the server.
func Descriptors() []Descriptor {
	return []Descriptor{
		{Name: "sandbox", Workers: 16, New: newSandboxController},
		{Name: "template", Workers: 4, New: newTemplateController},
		{Name: "warmpool", Workers: 8, New: newWarmPoolController},
		{Name: "claim", Workers: 16, New: newClaimController},
		{Name: "endpoints", Workers: 4, New: newEndpointsController},
		{Name: "orphan", Workers: 1, New: newOrphanController},
		{Name: "janitor", Workers: 1, New: newJanitorController},
	}
}

func newSandboxController(d Dependencies, workers int) Controller {
	return sandbox.New(sandbox.Options{
		Sandboxes:        d.Sandboxes.SandboxV1beta1(),
		SandboxInformer:  d.Own.Sandbox().V1beta1().Sandboxes(),
		Templates:        d.Sandboxes.SandboxV1beta1(),
		TemplateInformer: d.Own.Sandbox().V1beta1().SandboxTemplates(),
		Kube:             d.Cluster,
		Pods:             d.Children.Core().V1().Pods(),
		Services:         d.Children.Core().V1().Services(),
		Disks:            d.Children.Core().V1().PersistentVolumeClaims(),
		Nodes:            d.Nodes.Core().V1().Nodes(),
		Events:           d.Recorder,
		ClusterDomain:    d.ClusterDomain,
		Workers:          workers,
		Yield:            d.Yield,
	})
}

func newTemplateController(d Dependencies, workers int) Controller {
	return template.New(template.Options{
		Own:             d.Sandboxes.SandboxV1beta1(),
		Templates:       d.Own.Sandbox().V1beta1().SandboxTemplates(),
		Sandboxes:       d.Own.Sandbox().V1beta1().Sandboxes(),
		Kube:            d.Cluster,
		Pods:            d.Children.Core().V1().Pods(),
		NetworkPolicies: d.Children.Networking().V1().NetworkPolicies(),
		Events:          d.Recorder,
		Workers:         workers,
		Yield:           d.Yield,
	})
}

func newWarmPoolController(d Dependencies, workers int) Controller {
	own := d.Own.Sandbox().V1beta1()
	return warmpool.New(warmpool.Options{
		Pools:            d.Sandboxes.SandboxV1beta1(),
		Sandboxes:        d.Sandboxes.SandboxV1beta1(),
		PoolInformer:     own.SandboxWarmPools(),
		TemplateInformer: own.SandboxTemplates(),
		SandboxInformer:  own.Sandboxes(),
		Withheld:         d.Withheld,
		Events:           d.Recorder,
		Workers:          workers,
		Yield:            d.Yield,
	})
}

func newClaimController(d Dependencies, workers int) Controller {
	own := d.Own.Sandbox().V1beta1()
	return claim.New(claim.Options{
		Client:    d.Sandboxes.SandboxV1beta1(),
		Claims:    own.SandboxClaims(),
		Sandboxes: own.Sandboxes(),
		Pools:     own.SandboxWarmPools(),
		Templates: own.SandboxTemplates(),
		Withheld:  d.Withheld,
		Events:    d.Recorder,
		Workers:   workers,
		Yield:     d.Yield,
	})
}

func newEndpointsController(d Dependencies, workers int) Controller {
	return endpoints.New(endpoints.Options{
		Kube:     d.Bounded,
		Services: d.Children.Core().V1().Services(),
		Pods:     d.Children.Core().V1().Pods(),
		Slices:   d.Slices.Discovery().V1().EndpointSlices(),
		Nodes:    d.Nodes.Core().V1().Nodes(),
		Workers:  workers,
		Yield:    d.Yield,
	})
}

func newOrphanController(d Dependencies, _ int) Controller {
	return orphan.New(orphan.Options{
		Sandboxes:       d.Sandboxes.SandboxV1beta1(),
		SandboxInformer: d.Own.Sandbox().V1beta1().Sandboxes(),
		Kube:            d.Cluster,
		Pods:            d.Children.Core().V1().Pods(),
		Services:        d.Children.Core().V1().Services(),
		Events:          d.Recorder,
	})
}

func newJanitorController(d Dependencies, _ int) Controller {
	return janitor.New(janitor.Options{
		Own:       d.Sandboxes.SandboxV1beta1(),
		Informers: d.Own.Sandbox().V1beta1(),
		Kube:      d.Cluster,
		Events:    d.Recorder,
	})
}
