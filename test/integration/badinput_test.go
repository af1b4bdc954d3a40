// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// refusal is what a client must be told.
type refusal struct {
	code int
	// field is the path that one of the causes names, of a 422.
	field string
	// says are parts of the message: the value, and what would be right.
	says []string
}

func invalid(field string, says ...string) refusal {
	return refusal{code: 422, field: field, says: says}
}

func conflict(says ...string) refusal { return refusal{code: 409, says: says} }

func assertRefused(t *testing.T, err error, want refusal) {
	t.Helper()
	require.Error(t, err, "it was accepted")
	var status apierrors.APIStatus
	require.ErrorAs(t, err, &status)
	assert.EqualValues(t, want.code, status.Status().Code, "%v", err)
	for _, text := range want.says {
		assert.Contains(t, err.Error(), text)
	}
	if want.field == "" {
		return
	}
	assert.Contains(t, err.Error(), want.field)
	var fields []string
	if details := status.Status().Details; details != nil {
		for _, cause := range details.Causes {
			fields = append(fields, cause.Field)
		}
	}
	assert.Contains(t, fields, want.field, "%v", err)
}

func sandboxWith(change func(*v1beta1.Sandbox)) *v1beta1.Sandbox {
	return harness.Sandbox("bad", change)
}

func mainContainer(s *v1beta1.Sandbox) *corev1.Container {
	return &s.Spec.PodTemplate.Spec.Containers[0]
}

var refusedSandboxes = map[string]struct {
	sandbox *v1beta1.Sandbox
	want    refusal
}{
	"a dot in the name":  {harness.Sandbox("a.b"), invalid("metadata.name", `"a.b"`, "must not contain dots")},
	"an upper-case name": {harness.Sandbox("Dev"), invalid("metadata.name", `"Dev"`, "lower case")},
	"a name of 64 characters": {
		harness.Sandbox(strings.Repeat("n", 64)), invalid("metadata.name", strings.Repeat("n", 64), "no more than 63"),
	},
	"two disks of one name": {
		harness.Sandbox("bad", harness.WithDisk("data"), func(s *v1beta1.Sandbox) {
			s.Spec.VolumeClaimTemplates = append(s.Spec.VolumeClaimTemplates, harness.DiskTemplate("data"))
		}),
		invalid("spec.volumeClaimTemplates[1].metadata.name", "Duplicate", `"data"`),
	},
	"a disk without access mode": {
		harness.Sandbox("bad", harness.WithDisk("data"), func(s *v1beta1.Sandbox) { s.Spec.VolumeClaimTemplates[0].Spec.AccessModes = nil }),
		invalid("spec.volumeClaimTemplates[0].spec.accessModes", "Required", "ReadWriteOnce"),
	},
	"a disk without size": {
		harness.Sandbox("bad", harness.WithDisk("data"), func(s *v1beta1.Sandbox) { s.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests = nil }),
		invalid("spec.volumeClaimTemplates[0].spec.resources.requests[storage]", "Required", "1Gi"),
	},
	"a port that is none": {
		sandboxWith(func(s *v1beta1.Sandbox) { mainContainer(s).Ports = []corev1.ContainerPort{{ContainerPort: 70000}} }),
		invalid("spec.podTemplate.spec.containers[0].ports[0].containerPort", "70000", "between 1 and 65535"),
	},
	"a container without image": {
		sandboxWith(func(s *v1beta1.Sandbox) { mainContainer(s).Image = "" }),
		invalid("spec.podTemplate.spec.containers[0].image", "Required"),
	},
	"no container": {
		sandboxWith(func(s *v1beta1.Sandbox) { s.Spec.PodTemplate.Spec.Containers = nil }),
		invalid("spec.podTemplate.spec.containers", "Required", "at least one container"),
	},
	"a mount of no volume": {
		sandboxWith(func(s *v1beta1.Sandbox) {
			mainContainer(s).VolumeMounts = []corev1.VolumeMount{{Name: "nowhere", MountPath: "/x"}}
		}),
		invalid("spec.podTemplate.spec.containers[0].volumeMounts[0].name", "Not found", `"nowhere"`),
	},
	"a reserved label": {
		sandboxWith(func(s *v1beta1.Sandbox) {
			s.Spec.PodTemplate.Metadata.Labels = map[string]string{v1beta1.SandboxUIDLabel: "another"}
		}),
		invalid("spec.podTemplate.metadata.labels["+v1beta1.SandboxUIDLabel+"]", "Forbidden", "reserved", "another prefix"),
	},
	"a reserved annotation": {
		sandboxWith(func(s *v1beta1.Sandbox) {
			s.Spec.PodTemplate.Metadata.Annotations = map[string]string{v1beta1.KeyPrefix + "x": "y"}
		}),
		invalid("spec.podTemplate.metadata.annotations["+v1beta1.KeyPrefix+"x]", "Forbidden", "reserved"),
	},
	"a reserved label of a disk": {
		harness.Sandbox("bad", harness.WithDisk("data"), func(s *v1beta1.Sandbox) {
			s.Spec.VolumeClaimTemplates[0].Metadata.Labels = map[string]string{v1beta1.SandboxUIDLabel: "another"}
		}),
		invalid("spec.volumeClaimTemplates[0].metadata.labels["+v1beta1.SandboxUIDLabel+"]", "Forbidden", "reserved"),
	},
	"a claimRef": {
		sandboxWith(func(s *v1beta1.Sandbox) { s.Spec.ClaimRef = &v1beta1.SandboxClaimReference{Name: "mine", UID: "1"} }),
		invalid("spec.claimRef", "Forbidden"),
	},
	"a shutdownTime in the past": {
		sandboxWith(func(s *v1beta1.Sandbox) { s.Spec.ShutdownTime = ptr.To(metav1.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)) }),
		invalid("spec.shutdownTime", "2020-02-03T04:05:06Z", "future"),
	},
	"an unknown mode": {
		sandboxWith(func(s *v1beta1.Sandbox) { s.Spec.OperatingMode = "Paused" }),
		invalid("spec.operatingMode", `"Paused"`, `"Running"`, `"Suspended"`),
	},
	"an unknown shutdown policy": {
		sandboxWith(func(s *v1beta1.Sandbox) { s.Spec.ShutdownPolicy = "Maybe" }),
		invalid("spec.shutdownPolicy", `"Maybe"`, `"Retain"`, `"Delete"`),
	},
	"more than etcd takes": {
		sandboxWith(func(s *v1beta1.Sandbox) {
			mainContainer(s).Env = []corev1.EnvVar{{Name: "SCRIPT", Value: strings.Repeat("x", 1<<20)}}
		}),
		invalid("spec", "1048576", "ConfigMap"),
	},
	"more than a request takes": {
		sandboxWith(func(s *v1beta1.Sandbox) {
			mainContainer(s).Env = []corev1.EnvVar{{Name: "SCRIPT", Value: strings.Repeat("x", 4<<20)}}
		}),
		refusal{code: 413},
	},
}

func TestRefusedSandboxes(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	for name, tc := range refusedSandboxes {
		t.Run(name, func(t *testing.T) {
			_, err := ns.Sandboxes().Create(t.Context(), tc.sandbox, metav1.CreateOptions{})
			assertRefused(t, err, tc.want)
			assert.NoError(t, harness.Gone(ns.GetSandbox(tc.sandbox.Name)(t.Context())), "it is stored all the same")
		})
	}
	list, err := ns.Sandboxes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Empty(t, list.Items)
	pods, err := ns.Pods().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	assert.Empty(t, pods.Items, "a dry run of a Pod left it there")
}

// TestRefusedOthers is the same for the other three kinds.
func TestRefusedOthers(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	poolOf(ns, "p")
	before := stored(ns)
	bound := fmt.Sprintf("between 0 and %d", maxPoolReplicas)
	replicas := func(n int32) func(*v1beta1.SandboxWarmPool) {
		return func(p *v1beta1.SandboxWarmPool) { p.Spec.Replicas = ptr.To(n) }
	}
	for name, tc := range map[string]struct {
		object any
		want   refusal
	}{
		"template with a reserved label": {
			harness.Template("bad", func(s *v1beta1.SandboxTemplate) {
				s.Spec.PodTemplate.Metadata.Labels = map[string]string{v1beta1.SandboxLabel: "true"}
			}),
			invalid("spec.podTemplate.metadata.labels["+v1beta1.SandboxLabel+"]", "reserved"),
		},
		"template with a port that is none": {
			harness.Template("bad", func(s *v1beta1.SandboxTemplate) {
				s.Spec.PodTemplate.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 70000}}
			}),
			invalid("spec.podTemplate.spec.containers[0].ports[0].containerPort", "70000", "between 1 and 65535"),
		},
		"template with an unknown policy": {
			harness.Template("bad", func(s *v1beta1.SandboxTemplate) { s.Spec.EnvVarsInjectionPolicy = "Sometimes" }),
			invalid("spec.envVarsInjectionPolicy", `"Sometimes"`, `"Disallowed"`, `"Allowed"`, `"Overrides"`),
		},
		"pool of -1":         {harness.Pool("bad", "t", replicas(-1)), invalid("spec.replicas", "-1", bound)},
		"pool above a bound": {harness.Pool("bad", "t", replicas(maxPoolReplicas+1)), invalid("spec.replicas", "51", bound)},
		"pool of 2147483647": {harness.Pool("bad", "t", replicas(2147483647)), invalid("spec.replicas", "2147483647", bound)},
		"pool of no template": {
			harness.Pool("bad", ""), invalid("spec.sandboxTemplateRef.name", "Required", "SandboxTemplate"),
		},
		"pool with an upper-case name": {harness.Pool("Bad", "t"), invalid("metadata.name", `"Bad"`, "lower case")},
		"claim with a reserved label": {
			harness.Claim("bad", "p", func(c *v1beta1.SandboxClaim) {
				c.Spec.AdditionalPodMetadata.Labels = map[string]string{v1beta1.SandboxUIDLabel: "another"}
			}),
			invalid("spec.additionalPodMetadata.labels["+v1beta1.SandboxUIDLabel+"]", "reserved"),
		},
		"claim of no pool": {harness.Claim("bad", ""), invalid("spec.warmPoolRef.name", "Required", "SandboxWarmPool")},
		"claim with an unknown policy": {
			harness.Claim("bad", "p", func(c *v1beta1.SandboxClaim) { c.Spec.OnEmptyPool = "Panic" }),
			invalid("spec.onEmptyPool", `"Panic"`, `"ColdStart"`, `"Wait"`, `"Reject"`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			ns := ns.For(t)
			assertRefused(t, create(ns, tc.object), tc.want)
			assert.Equal(t, slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(stored(ns))))
		})
	}
}

func create(ns *harness.Space, object any) error {
	ctx, options := ns.T.Context(), metav1.CreateOptions{}
	var err error
	switch typed := object.(type) {
	case *v1beta1.Sandbox:
		_, err = ns.Sandboxes().Create(ctx, typed, options)
	case *v1beta1.SandboxTemplate:
		_, err = ns.Templates().Create(ctx, typed, options)
	case *v1beta1.SandboxWarmPool:
		_, err = ns.Pools().Create(ctx, typed, options)
	case *v1beta1.SandboxClaim:
		_, err = ns.Claims().Create(ctx, typed, options)
	default:
		err = fmt.Errorf("creating a %T", object)
	}
	return err
}

// stored returns all objects of our group in a namespace, as KIND/NAME with their resourceVersion.
func stored(ns *harness.Space) map[string]string {
	ctx, found := ns.T.Context(), map[string]string{}
	add := func(kind string, object metav1.Object) {
		found[kind+"/"+object.GetName()] = object.GetResourceVersion()
	}
	sandboxes, err := ns.Sandboxes().List(ctx, metav1.ListOptions{})
	require.NoError(ns.T, err)
	for i := range sandboxes.Items {
		add("sandbox", &sandboxes.Items[i])
	}
	templates, err := ns.Templates().List(ctx, metav1.ListOptions{})
	require.NoError(ns.T, err)
	for i := range templates.Items {
		add("template", &templates.Items[i])
	}
	pools, err := ns.Pools().List(ctx, metav1.ListOptions{})
	require.NoError(ns.T, err)
	for i := range pools.Items {
		add("pool", &pools.Items[i])
	}
	claims, err := ns.Claims().List(ctx, metav1.ListOptions{})
	require.NoError(ns.T, err)
	for i := range claims.Items {
		add("claim", &claims.Items[i])
	}
	return found
}

// TestRefusedManifests sends what no typed client can: kubectl asks for strict
// validation of fields.
func TestRefusedManifests(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	const head = "apiVersion: sandbox.agents.x-k8s.io/v1beta1\nkind: Sandbox\nmetadata: {name: bad}\n"
	const pod = "podTemplate: {spec: {containers: [{name: main, image: x}]}}"
	for name, tc := range map[string]struct {
		manifest string
		says     []string
	}{
		"unknown field":             {head + "spec: {operatingmode: Suspended, " + pod + "}", []string{"unknown field", "spec.operatingmode"}},
		"unknown field of the Pod":  {head + "spec: {podTemplate: {spec: {containers: [{name: main, image: x, imagePullPolizei: y}]}}}", []string{"unknown field", "spec.podTemplate.spec.containers[0].imagePullPolizei"}},
		"text for a boolean":        {head + `spec: {service: "yes", ` + pod + "}", []string{"string", "spec.service", "bool"}},
		"a number for a list":       {head + "spec: {volumeClaimTemplates: 3, " + pod + "}", []string{"number", "volumeClaimTemplates"}},
		"no time":                   {head + "spec: {shutdownTime: tomorrow, " + pod + "}", []string{`"tomorrow"`}},
		"no quantity":               {head + "spec: {podTemplate: {spec: {containers: [{name: main, image: x, resources: {limits: {cpu: much}}}]}}}", []string{"quantities"}},
		"a list for the namespace":  {strings.Replace(head, "{name: bad}", "{name: [bad]}", 1) + "spec: {" + pod + "}", []string{"name"}},
		"a status field in no kind": {head + "spec: {" + pod + "}\nstatuz: {}", []string{"unknown field", "statuz"}},
	} {
		t.Run(name, func(t *testing.T) {
			ns := ns.For(t)
			_, err := ns.Kubectl(tc.manifest, "create", "-f", "-")
			require.Error(t, err)
			for _, text := range tc.says {
				assert.Contains(t, err.Error(), text)
			}
			assert.Empty(t, stored(ns))
		})
	}
}

// TestStrictFieldValidation is the same without kubectl in between, in JSON: the status
// code, and that only the strict mode refuses.
func TestStrictFieldValidation(t *testing.T) {
	t.Parallel()
	ns := env.Space(t)
	body := `{"apiVersion":"sandbox.agents.x-k8s.io/v1beta1","kind":"Sandbox","metadata":{"name":"typo"},` +
		`"spec":{"operatingMode":"Suspended","servize":true,"podTemplate":{"spec":{"containers":[{"name":"main","image":"x"}]}}}}`
	post := harness.Request{Method: "POST", Path: "sandboxes?fieldValidation=Strict", Body: body, ContentType: "application/json"}
	answer := ns.Do(post)
	assert.Equal(t, 400, answer.Code)
	assert.Contains(t, answer.Body, `unknown field \"spec.servize\"`)
	assert.Empty(t, stored(ns))

	post.Body = strings.Replace(body, `"servize":true`, `"service":true,"service":false`, 1)
	answer = ns.Do(post)
	assert.Equal(t, 400, answer.Code)
	assert.Contains(t, answer.Body, `duplicate field \"spec.service\"`)
	assert.Empty(t, stored(ns))

	post.Path, post.Body = "sandboxes?fieldValidation=Warn", body
	answer = ns.Do(post)
	assert.Equal(t, 201, answer.Code)
	assert.Contains(t, answer.Header.Get("Warning"), "spec.servize")

	post.Body = strings.Replace(body, `"servize":true`, `"service":"yes"`, 1)
	answer = ns.Do(post)
	assert.Equal(t, 400, answer.Code)
	assert.Contains(t, answer.Body, "spec.service")
	assert.Equal(t, []string{"sandbox/typo"}, slices.Collect(maps.Keys(stored(ns))))
}
