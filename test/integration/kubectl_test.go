// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/scheme"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// TestTables holds the columns of every kind, and that a row has a cell for each.
func TestTables(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	ns.Create(harness.Sandbox("dev", func(s *v1beta1.Sandbox) { s.Spec.PodTemplate.Spec.RuntimeClassName = nil }))
	ns.Create(harness.Sandbox("asleep", harness.Suspended))
	poolOf(ns, "python")
	require.NoError(t, create(ns, harness.Claim("mine", "python")))
	dev := ns.WaitReady("dev")
	ns.WaitSuspended("asleep")

	for _, tc := range []struct {
		resource, name string
		columns, wide  []string
		cells          map[string]string
	}{
		{
			"sandboxes", "dev", []string{"NAME", "READY", "STATUS", "POOL", "CLAIM", "AGE"}, []string{"IP", "NODE", "RUNTIME", "FQDN"},
			map[string]string{
				"READY": "True", "STATUS": "Running", "IP": first(dev.Status.PodIPs), "NODE": dev.Status.NodeName,
				"FQDN": "dev.sandboxes." + ns.Name + ".svc.cluster.local",
			},
		},
		{
			"sbx", "asleep", []string{"NAME", "READY", "STATUS", "POOL", "CLAIM", "AGE"}, []string{"IP", "NODE", "RUNTIME", "FQDN"},
			map[string]string{"READY": "False", "STATUS": "Suspended"},
		},
		{"swp", "python", []string{"NAME", "DESIRED", "READY", "STALE", "TEMPLATE", "AGE"}, nil, map[string]string{"DESIRED": "0", "TEMPLATE": "python"}},
		{"sbc", "mine", []string{"NAME", "READY", "SANDBOX", "START", "POOL", "AGE"}, []string{"IP", "FQDN"}, map[string]string{"POOL": "python"}},
		{"sbt", "python", []string{"NAME", "IMAGE", "RUNTIME", "NETWORK", "AGE"}, nil, map[string]string{"IMAGE": harness.Image, "NETWORK": "Managed"}},
	} {
		t.Run(tc.resource+" "+tc.name, func(t *testing.T) {
			ns := ns.For(t)
			narrow, _, _ := strings.Cut(ns.MustKubectl("", "get", tc.resource), "\n")
			assert.Equal(t, tc.columns, strings.Fields(narrow))
			row := tableRow(t, ns.MustKubectl("", "get", tc.resource, tc.name, "-o", "wide"), append(tc.columns, tc.wide...))
			assert.Equal(t, tc.name, row["NAME"])
			for column, want := range tc.cells {
				assert.Equal(t, want, row[column], column)
			}
		})
	}
	listed := ns.MustKubectl("", "get", "agents")
	for _, name := range []string{"sandbox.sandbox.agents.x-k8s.io/dev", "sandboxwarmpool.sandbox.agents.x-k8s.io/python", "sandboxclaim.sandbox.agents.x-k8s.io/mine", "sandboxtemplate.sandbox.agents.x-k8s.io/python"} {
		assert.Contains(t, listed, name)
	}
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// tableRow cuts the one row of a table where its header has columns.
func tableRow(t *testing.T, table string, columns []string) map[string]string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(table), "\n")
	require.Len(t, lines, 2, "%s", table)
	require.Equal(t, columns, strings.Fields(lines[0]))
	row, at := map[string]string{}, 0
	begins := make([]int, 0, len(columns))
	for _, column := range columns {
		at += strings.Index(lines[0][at:], column)
		begins = append(begins, at)
	}
	for i, column := range columns {
		end := len(lines[1])
		if i+1 < len(columns) {
			end = min(end, begins[i+1])
		}
		if begins[i] < end {
			row[column] = strings.TrimSpace(lines[1][begins[i]:end])
		}
	}
	return row
}

func TestExplain(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	for path, want := range map[string][]string{
		"sandbox":                     {"KIND:       Sandbox", "VERSION:    v1beta1", "GROUP:      sandbox.agents.x-k8s.io", "isolated, stateful environment"},
		"sandbox.spec.shutdownPolicy": {"FIELD: shutdownPolicy", "Retain", "Delete", "SandboxExpired"},
		"sandbox.spec.podTemplate.spec.containers":                                {"FIELD: containers <[]Container>", "imagePullPolicy", "livenessProbe"},
		"sandbox.spec.podTemplate.spec.containers.securityContext.seccompProfile": {"localhostProfile"},
		"sbt.spec.networkPolicy.egress.to":                                        {"ipBlock", "namespaceSelector"},
		"sandboxwarmpool.spec.updateStrategy.rollingUpdate":                       {"maxUnavailable"},
		"sandboxclaim.spec.onEmptyPool":                                           {"ColdStart", "Wait", "Reject"},
	} {
		t.Run(path, func(t *testing.T) {
			ns := ns.For(t)
			// kube-apiserver learns the schema of an aggregated API in its own time.
			ns.Eventually("explain knows "+path, func() error {
				out, err := ns.Kubectl("", "explain", path)
				if err != nil {
					return err
				}
				for _, text := range want {
					if !strings.Contains(out, text) {
						return fmt.Errorf("%q is not in:\n%s", text, out)
					}
				}
				return nil
			})
		})
	}
}

// TestNegotiation reads one object in every language that is spoken, and writes it too.
func TestNegotiation(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	_, err := ns.Templates().Create(t.Context(), harness.Template("one", func(s *v1beta1.SandboxTemplate) { s.Spec.Service = ptr.To(true) }), metav1.CreateOptions{})
	require.NoError(t, err)
	var want *v1beta1.SandboxTemplate
	ns.Eventually("the template is as it will stay", func() error {
		if want, err = ns.Templates().Get(t.Context(), "one", metav1.GetOptions{}); err == nil && len(want.Status.Conditions) == 0 {
			err = errors.New("it has no status yet")
		}
		return err
	})

	decode := map[string]func(body string, into *v1beta1.SandboxTemplate) error{
		"application/json": func(body string, into *v1beta1.SandboxTemplate) error { return json.Unmarshal([]byte(body), into) },
		"application/yaml": func(body string, into *v1beta1.SandboxTemplate) error { return yaml.Unmarshal([]byte(body), into) },
		"application/vnd.kubernetes.protobuf": func(body string, into *v1beta1.SandboxTemplate) error {
			assert.True(t, strings.HasPrefix(body, "k8s\x00"))
			_, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(body), nil, into)
			return err
		},
	}
	for mediaType, decode := range decode {
		t.Run(mediaType, func(t *testing.T) {
			ns := ns.For(t)
			answer := ns.Do(harness.Request{Method: "GET", Path: "sandboxtemplates/one", Accept: mediaType})
			require.Equal(t, 200, answer.Code, answer.Body)
			assert.Equal(t, mediaType, answer.Header.Get("Content-Type"))
			got := &v1beta1.SandboxTemplate{}
			require.NoError(t, decode(answer.Body, got))
			want.TypeMeta, got.TypeMeta = metav1.TypeMeta{}, metav1.TypeMeta{}
			assert.Equal(t, want, got)
			back := ns.Do(harness.Request{Method: "PUT", Path: "sandboxtemplates/one", Body: answer.Body, ContentType: mediaType})
			assert.Equal(t, 200, back.Code, back.Body)
		})
	}
	table := ns.Do(harness.Request{Method: "GET", Path: "sandboxtemplates", Accept: "application/json;as=Table;v=v1;g=meta.k8s.io"})
	assert.Contains(t, table.Body, `"kind":"Table"`)
	metadata := ns.Do(harness.Request{Method: "GET", Path: "sandboxtemplates/one", Accept: "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"})
	assert.Contains(t, metadata.Body, `"kind":"PartialObjectMetadata"`)
	unknown := ns.Do(harness.Request{Method: "GET", Path: "sandboxtemplates/one", Accept: "text/html"})
	assert.Equal(t, 406, unknown.Code)
	assert.Contains(t, unknown.Body, "application/vnd.kubernetes.protobuf")
	foreign := ns.Do(harness.Request{Method: "POST", Path: "sandboxtemplates", Body: "<template/>", ContentType: "text/xml"})
	assert.Equal(t, 415, foreign.Code)
}

// TestKubectlWait is the way of scripts to follow a Sandbox.
func TestKubectlWait(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	assert.Contains(t, ns.MustKubectl(manifest("dev"), "create", "-f", "-"), "dev created")
	assert.Contains(t, ns.MustKubectl("", "wait", "--for=condition=Ready", "sandbox/dev", "--timeout=60s"), "condition met")
	ns.MustKubectl("{}", "create", "--raw", ns.Path("sandboxes/dev/suspend"), "-f", "-")
	assert.Contains(t, ns.MustKubectl("", "wait", "--for=condition=Suspended", "sandbox/dev", "--timeout=60s"), "condition met")
	assert.Contains(t, ns.MustKubectl("", "wait", "--for=condition=Ready=False", "sandbox/dev", "--timeout=60s"), "condition met")
	assert.Contains(t, ns.MustKubectl("", "wait", "--for=jsonpath={.spec.operatingMode}=Suspended", "sbx/dev", "--timeout=60s"), "condition met")
	ns.MustKubectl("", "delete", "sandbox/dev", "--wait=false")
	_, err := ns.Kubectl("", "wait", "--for=delete", "sandbox/dev", "--timeout=60s")
	require.NoError(t, err)
	assert.NoError(t, harness.Gone(ns.GetSandbox("dev")(t.Context())))
}
