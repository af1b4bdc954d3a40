// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// use is a call for which the server's account needs rights, and the line that makes it.
type use struct {
	// role is the kind that grants the right: everywhere, or in our own namespace.
	role string
	// rights is "verb,verb group/resource[,resource][:name]"; the core group is empty.
	rights string
	// file, below the checkout or below a module that stands before a colon, holds text.
	file, text string
}

const (
	everywhere = "ClusterRole"
	ownSpace   = "Role"
	genericAPI = "k8s.io/apiserver:pkg/"
	client     = "k8s.io/client-go:"

	slicesLibrary = "k8s.io/endpointslice:reconciler.go"
)

// uses are all that the server asks of the cluster under its own name, but for what the
// bindings to system:auth-delegator and extension-apiserver-authentication-reader allow.
var uses = []use{
	{everywhere, "list,watch /pods", "pkg/controllers/dependencies.go", "d.Children.Core().V1().Pods().Informer()"},
	{everywhere, "list,watch /services", "pkg/controllers/dependencies.go", "d.Children.Core().V1().Services().Informer()"},
	{everywhere, "list,watch /persistentvolumeclaims", "pkg/controllers/dependencies.go", "d.Children.Core().V1().PersistentVolumeClaims().Informer()"},
	{everywhere, "list,watch networking.k8s.io/networkpolicies", "pkg/controllers/dependencies.go", "d.Children.Networking().V1().NetworkPolicies().Informer()"},
	{everywhere, "list,watch discovery.k8s.io/endpointslices", "pkg/controllers/dependencies.go", "d.Slices.Discovery().V1().EndpointSlices().Informer()"},
	{everywhere, "list,watch /nodes", "pkg/controllers/dependencies.go", "d.Nodes.Core().V1().Nodes().Informer()"},
	{everywhere, "get /pods", "pkg/controllers/sandbox/gather.go", "core.Pods(namespace).Get("},
	{everywhere, "get /services", "pkg/controllers/sandbox/gather.go", "core.Services(namespace).Get("},
	{everywhere, "get /persistentvolumeclaims", "pkg/controllers/sandbox/gather.go", "core.PersistentVolumeClaims(namespace).Get("},
	{everywhere, "get /nodes", "pkg/controllers/sandbox/gather.go", "core.Nodes().Get("},
	{everywhere, "create /pods", "pkg/controllers/sandbox/apply.go", "Pods(wanted.Namespace).Create("},
	{everywhere, "create /pods", "pkg/admission/podtemplate/cluster.go", "Pods(pod.Namespace).Create("},
	{everywhere, "patch /pods", "pkg/controllers/sandbox/apply.go", "Pods(pod.Namespace).Patch("},
	{everywhere, "delete /pods", "pkg/controllers/sandbox/apply.go", "Pods(pod.Namespace).Delete("},
	{everywhere, "create /services", "pkg/controllers/sandbox/apply.go", "services.Create("},
	{everywhere, "patch /services", "pkg/controllers/sandbox/apply.go", "services.Patch("},
	{everywhere, "delete /services", "pkg/controllers/sandbox/apply.go", "services.Delete("},
	{everywhere, "create /persistentvolumeclaims", "pkg/controllers/sandbox/apply.go", "disks.Create("},
	{everywhere, "patch /persistentvolumeclaims", "pkg/controllers/sandbox/apply.go", "PersistentVolumeClaims(disk.Namespace).Patch("},
	{everywhere, "delete /persistentvolumeclaims", "pkg/controllers/sandbox/apply.go", "disks.Delete("},
	{everywhere, "get networking.k8s.io/networkpolicies", "pkg/controllers/template/gather.go", "NetworkPolicies(key.Namespace).Get("},
	{everywhere, "create networking.k8s.io/networkpolicies", "pkg/controllers/template/apply.go", "policies.Create("},
	{everywhere, "update networking.k8s.io/networkpolicies", "pkg/controllers/template/apply.go", "policies.Update("},
	{everywhere, "delete networking.k8s.io/networkpolicies", "pkg/controllers/template/apply.go", "policies.Delete("},
	{everywhere, "update sandbox.agents.x-k8s.io/sandboxes/finalizers", "pkg/controllers/render/pod.go", "NewControllerRef(sandbox"},
	{everywhere, "create discovery.k8s.io/endpointslices", slicesLibrary, "EndpointSlices(service.Namespace).Create("},
	{everywhere, "update discovery.k8s.io/endpointslices", slicesLibrary, "EndpointSlices(service.Namespace).Update("},
	{everywhere, "delete discovery.k8s.io/endpointslices", slicesLibrary, "EndpointSlices(service.Namespace).Delete("},
	{everywhere, "delete /endpoints", "pkg/controllers/endpoints/sync.go", "Endpoints(service.Namespace).Delete("},
	{everywhere, "update /services/finalizers", "k8s.io/endpointslice:utils.go", "NewControllerRef(service"},
	{everywhere, "create,patch events.k8s.io/events", "pkg/controllers/dependencies.go", "cluster.EventsV1()"},

	{everywhere, "list,watch /namespaces", genericAPI + "admission/plugin/namespace/lifecycle/admission.go", "Core().V1().Namespaces()"},
	{everywhere, "get /namespaces", genericAPI + "admission/plugin/namespace/lifecycle/admission.go", "Namespaces().Get("},
	{everywhere, "list,watch /resourcequotas", genericAPI + "admission/plugin/resourcequota/admission.go", "Core().V1().ResourceQuotas()"},
	{everywhere, "update /resourcequotas/status", genericAPI + "admission/plugin/resourcequota/resource_access.go", "UpdateStatus("},
	{
		everywhere, "list,watch admissionregistration.k8s.io/validatingadmissionpolicies,validatingadmissionpolicybindings",
		genericAPI + "admission/plugin/policy/validating/plugin.go", "ValidatingAdmissionPolicyBindings().Informer()",
	},
	{
		everywhere, "list,watch admissionregistration.k8s.io/mutatingadmissionpolicies,mutatingadmissionpolicybindings",
		genericAPI + "admission/plugin/policy/mutating/plugin.go", "MutatingAdmissionPolicyBindings().Informer()",
	},
	{
		everywhere, "list,watch admissionregistration.k8s.io/validatingwebhookconfigurations",
		genericAPI + "admission/configuration/validating_webhook_manager.go", "ValidatingWebhookConfigurations()",
	},
	{
		everywhere, "list,watch admissionregistration.k8s.io/mutatingwebhookconfigurations",
		genericAPI + "admission/configuration/mutating_webhook_manager.go", "MutatingWebhookConfigurations()",
	},
	{
		everywhere, "list,watch flowcontrol.apiserver.k8s.io/flowschemas,prioritylevelconfigurations",
		genericAPI + "util/flowcontrol/apf_controller.go", "InformerFactory.Flowcontrol().V1()",
	},
	{everywhere, "patch flowcontrol.apiserver.k8s.io/flowschemas/status", genericAPI + "util/flowcontrol/apf_controller.go", "client.ApplyStatus("},

	{everywhere, "get apiregistration.k8s.io/apiservices:v1beta1.sandbox.agents.x-k8s.io", "pkg/servingcert/publisher.go", "Resource(apiServices).Get("},
	{everywhere, "list,watch apiregistration.k8s.io/apiservices:v1beta1.sandbox.agents.x-k8s.io", "pkg/servingcert/publisher.go", "NewFilteredDynamicInformer(p.objects, apiServices"},
	{everywhere, "patch apiregistration.k8s.io/apiservices:v1beta1.sandbox.agents.x-k8s.io", "pkg/servingcert/publisher.go", "Resource(apiServices).Apply("},

	{ownSpace, "get /secrets:sandbox-apiserver-ca", "pkg/authority/authority.go", "secrets.Get("},
	{ownSpace, "list,watch /secrets:sandbox-apiserver-ca", "pkg/authority/run.go", "Core().V1().Secrets().Informer()"},
	{ownSpace, "create /secrets", "pkg/authority/authority.go", "Secrets(a.options.Namespace).Create("},
	{ownSpace, "update /secrets:sandbox-apiserver-ca", "pkg/authority/authority.go", "Secrets(a.options.Namespace).Update("},
	{ownSpace, "get /configmaps:sandbox-apiserver-storage", "pkg/storage/fence/mark.go", "ConfigMaps(c.Namespace).Get("},
	{ownSpace, "create /configmaps", "pkg/storage/fence/mark.go", "ConfigMaps(c.Namespace).Create("},
	{ownSpace, "update /configmaps:sandbox-apiserver-storage", "pkg/storage/fence/mark.go", "ConfigMaps(c.Namespace).Update("},
	{ownSpace, "create coordination.k8s.io/leases", client + "tools/leaderelection/resourcelock/leaselock.go", ".Create(ctx"},
	{ownSpace, "get,update coordination.k8s.io/leases:sandbox-apiserver", client + "tools/leaderelection/resourcelock/leaselock.go", ".Update(ctx"},
}

// TestRightsOfOurOwnAccount holds artifacts/base/rbac.yaml to what is called: each right
// has a line of code that needs it, and each use has its right.
func TestRightsOfOurOwnAccount(t *testing.T) {
	used := map[string]string{}
	for _, u := range uses {
		for _, right := range u.expand(t) {
			used[right] = u.file
		}
		if !strings.Contains(source(t, u.file), u.text) {
			t.Errorf("%s has no %q any more: does %q go, too?", u.file, u.text, u.rights)
		}
	}
	granted := grantedRights(t)
	for right := range granted {
		if _, ok := used[right]; !ok {
			t.Errorf("artifacts/base/rbac.yaml grants %q: name the line that needs it here, or take it away", right)
		}
	}
	for right, file := range used {
		if _, ok := granted[right]; !ok {
			t.Errorf("artifacts/base/rbac.yaml lacks %q, which %s uses", right, file)
		}
	}
}

func (u use) expand(t *testing.T) []string {
	t.Helper()
	verbs, object, ok := strings.Cut(u.rights, " ")
	require.True(t, ok, u.rights)
	group, resources, ok := strings.Cut(object, "/")
	require.True(t, ok, u.rights)
	resources, name, _ := strings.Cut(resources, ":")
	return product(u.role, rbacv1.PolicyRule{
		APIGroups: []string{group}, Resources: strings.Split(resources, ","), Verbs: strings.Split(verbs, ","), ResourceNames: strings.Fields(name),
	})
}

// product is one line for each right of the rule.
func product(role string, rule rbacv1.PolicyRule) []string {
	rights := []string{role}
	for _, dimension := range [][]string{rule.Verbs, rule.APIGroups, rule.Resources, rule.ResourceNames} {
		rights = times(rights, dimension)
	}
	return rights
}

// times is each of rights with each of the words behind it.
func times(rights, words []string) []string {
	if len(words) == 0 {
		words = []string{"-"}
	}
	var longer []string
	for _, right := range rights {
		for _, word := range words {
			longer = append(longer, right+" "+word)
		}
	}
	return longer
}

func grantedRights(t *testing.T) map[string]struct{} {
	t.Helper()
	file, err := os.Open("../artifacts/base/rbac.yaml")
	require.NoError(t, err)
	defer file.Close()
	granted := map[string]struct{}{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(file))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			require.NotEmpty(t, granted)
			return granted
		}
		require.NoError(t, err)
		role := rbacv1.ClusterRole{}
		require.NoError(t, yaml.Unmarshal(doc, &role))
		for _, rule := range role.Rules {
			assert.Empty(t, rule.NonResourceURLs, "no rule for paths is known here")
			for _, right := range product(role.Kind, rule) {
				assert.NotContains(t, right, "*", "a wildcard grants what nobody looked at")
				granted[right] = struct{}{}
			}
		}
	}
}

// source reads a file of the checkout, or of a module that it uses.
func source(t *testing.T, name string) string {
	t.Helper()
	dir := ".."
	if module, file, ok := strings.Cut(name, ":"); ok {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		require.NoError(t, err, module)
		dir, name = strings.TrimSpace(string(out)), file
	}
	raw, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(raw)
}
