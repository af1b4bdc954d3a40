// SPDX-License-Identifier: Apache-2.0

package podtemplate

import (
	"context"
	"errors"
	"fmt"
	"io"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/initializer"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
)

// PluginName is what --enable-admission-plugins and --disable-admission-plugins call it.
const PluginName = "SandboxPodTemplate"

// Register makes the plugin known by its name.
func Register(plugins *admission.Plugins) {
	plugins.Register(PluginName, func(io.Reader) (admission.Interface, error) {
		return New(), nil
	})
}

// Plugin asks the cluster about the Pods of Sandboxes and SandboxTemplates.
type Plugin struct {
	*admission.Handler
	cluster *cluster
}

var (
	_ admission.ValidationInterface          = &Plugin{}
	_ initializer.WantsExternalKubeClientSet = &Plugin{}
)

// New builds a plugin that needs a client before it can be used.
func New() *Plugin {
	return &Plugin{
		Handler: admission.NewHandler(admission.Create, admission.Update),
		cluster: newCluster(clock.RealClock{}),
	}
}

// SetExternalKubeClientSet gives the client that dry runs are sent with. Its
// account needs to be allowed to create Pods.
func (p *Plugin) SetExternalKubeClientSet(client kubernetes.Interface) {
	p.cluster.client = client
}

// ValidateInitialization says what is missing before the first request.
func (p *Plugin) ValidateInitialization() error {
	if p.cluster.client == nil {
		return errors.New(PluginName + " needs a client of the cluster")
	}
	return nil
}

// Validate refuses a Sandbox or SandboxTemplate whose Pod the cluster finds
// invalid. The object has passed the registry's own validation.
func (p *Plugin) Validate(ctx context.Context, a admission.Attributes, _ admission.ObjectInterfaces) error {
	t, ok := templateOf(a.GetObject())
	if !ok || a.GetSubresource() != "" {
		return nil
	}
	if old, ok := templateOf(a.GetOldObject()); ok && apiequality.Semantic.DeepEqual(old.spec, t.spec) {
		return nil
	}
	pod, err := t.pod(a.GetNamespace())
	if err != nil {
		return fmt.Errorf("rendering the Pod of a dry run: %w", err)
	}
	verdict := p.cluster.ask(ctx, pod)
	if ctx.Err() != nil { // the headers of the answer are no longer this goroutine's
		return apierrors.NewTimeoutError("the request ended before the Pod could be checked", 0)
	}
	if verdict.doubt != "" {
		warning.AddWarning(ctx, "", verdict.doubt)
	}
	if len(verdict.causes) > 0 {
		return t.invalid(a.GetKind().GroupKind(), verdict.causes)
	}
	return nil
}

// templateOf takes from an object all that its Pod depends on but the name.
func templateOf(obj runtime.Object) (template, bool) {
	switch typed := obj.(type) {
	case *sandbox.Sandbox:
		return template{name: typed.Name, spec: sandbox.SandboxSpec{
			PodTemplate:          typed.Spec.PodTemplate,
			VolumeClaimTemplates: typed.Spec.VolumeClaimTemplates,
		}}, true
	case *sandbox.SandboxTemplate:
		return template{name: typed.Name, spec: sandbox.SandboxSpec{
			PodTemplate:          typed.Spec.PodTemplate,
			VolumeClaimTemplates: typed.Spec.VolumeClaimTemplates,
		}}, true
	default:
		return template{}, false
	}
}
