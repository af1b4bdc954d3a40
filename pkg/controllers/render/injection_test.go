// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func withPolicies(env, disks v1beta1.InjectionPolicy) func(*v1beta1.SandboxTemplate) {
	return func(t *v1beta1.SandboxTemplate) {
		t.Spec.EnvVarsInjectionPolicy, t.Spec.VolumeClaimTemplatesPolicy = env, disks
	}
}

func setting(env ...v1beta1.SandboxEnvVar) func(*v1beta1.SandboxClaim) {
	return func(c *v1beta1.SandboxClaim) { c.Spec.Env = env }
}

func bringing(names ...string) func(*v1beta1.SandboxClaim) {
	return func(c *v1beta1.SandboxClaim) {
		for _, name := range names {
			c.Spec.VolumeClaimTemplates = append(c.Spec.VolumeClaimTemplates, newSandbox(withDisk(name)).Spec.VolumeClaimTemplates...)
			c.Spec.VolumeClaimTemplates[len(c.Spec.VolumeClaimTemplates)-1].Metadata.Labels = map[string]string{"of": "claim"}
		}
	}
}

func envFrom(t *v1beta1.SandboxTemplate) {
	t.Spec.PodTemplate.Spec.Containers[1].EnvFrom = []corev1.EnvFromSource{{Prefix: "X_"}}
}

func TestEnvOfAClaim(t *testing.T) {
	const (
		none      v1beta1.InjectionPolicy = ""
		allowed                           = v1beta1.InjectionAllowed
		overrides                         = v1beta1.InjectionOverrides
		denied                            = v1beta1.InjectionDisallowed
	)
	env := func(pairs ...string) []corev1.EnvVar {
		var env []corev1.EnvVar
		for i := 0; i < len(pairs); i += 2 {
			env = append(env, corev1.EnvVar{Name: pairs[i], Value: pairs[i+1]})
		}
		return env
	}
	tests := map[string]struct {
		policy            v1beta1.InjectionPolicy
		env               []v1beta1.SandboxEnvVar
		main, side, setup []corev1.EnvVar
	}{
		"none":                  {policy: denied, main: env("A", "1", "B", "$(A)")},
		"none, no policy":       {policy: none, main: env("A", "1", "B", "$(A)")},
		"added everywhere":      {policy: allowed, env: []v1beta1.SandboxEnvVar{{Name: "C", Value: "3"}}, main: env("A", "1", "B", "$(A)", "C", "3"), side: env("C", "3")},
		"added to one":          {policy: allowed, env: []v1beta1.SandboxEnvVar{{Name: "A", Value: "3", ContainerName: "side"}}, main: env("A", "1", "B", "$(A)"), side: env("A", "3")},
		"added to an init one":  {policy: allowed, env: []v1beta1.SandboxEnvVar{{Name: "A", ContainerName: "setup"}}, main: env("A", "1", "B", "$(A)"), setup: env("A", "")},
		"replaced where it was": {policy: overrides, env: []v1beta1.SandboxEnvVar{{Name: "A", Value: "3"}}, main: env("A", "3", "B", "$(A)"), side: env("A", "3")},
		"the special one wins": {
			policy: allowed, env: []v1beta1.SandboxEnvVar{{Name: "C", Value: "special", ContainerName: "side"}, {Name: "C", Value: "general"}},
			main: env("A", "1", "B", "$(A)", "C", "general"), side: env("C", "special"),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			template := newTemplate(withPolicies(test.policy, none))
			before := template.DeepCopy()
			sandbox, errs := ForClaim(template, newPool("warm"), newClaim(setting(test.env...)), "mine-x")
			require.Empty(t, errs)
			assert.Equal(t, before, template)
			spec := sandbox.Spec.PodTemplate.Spec
			assert.Equal(t, test.main, spec.Containers[0].Env)
			assert.Equal(t, test.side, spec.Containers[1].Env)
			assert.Equal(t, test.setup, spec.InitContainers[0].Env)
		})
	}
}

// A value taken from a Secret is replaced as a whole.
func TestEnvReplacesSources(t *testing.T) {
	template := newTemplate(withPolicies(v1beta1.InjectionOverrides, ""), envFrom, func(t *v1beta1.SandboxTemplate) {
		t.Spec.PodTemplate.Spec.Containers[1].Env = []corev1.EnvVar{
			{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "token"}}},
			{Name: "TOKEN", Value: "twice"},
		}
	})
	sandbox, errs := ForClaim(template, newPool("warm"), newClaim(setting(v1beta1.SandboxEnvVar{Name: "TOKEN", Value: "mine", ContainerName: "side"})), "mine-x")
	require.Empty(t, errs)
	assert.Equal(t, []corev1.EnvVar{{Name: "TOKEN", Value: "mine"}, {Name: "TOKEN", Value: "mine"}}, sandbox.Spec.PodTemplate.Spec.Containers[1].Env)
}

func TestRefusedEnv(t *testing.T) {
	tests := map[string]struct {
		template *v1beta1.SandboxTemplate
		env      []v1beta1.SandboxEnvVar
		want     []string
	}{
		"disallowed": {
			newTemplate(withPolicies(v1beta1.InjectionDisallowed, "")), []v1beta1.SandboxEnvVar{{Name: "C"}, {Name: "D"}},
			[]string{`spec.env: Forbidden: SandboxTemplate "python" has envVarsInjectionPolicy Disallowed: leave it out, or claim from a pool whose template allows it`},
		},
		"a template without defaults": {
			newTemplate(), []v1beta1.SandboxEnvVar{{Name: "C"}},
			[]string{`spec.env: Forbidden: SandboxTemplate "python" has envVarsInjectionPolicy Disallowed: leave it out, or claim from a pool whose template allows it`},
		},
		"set by the template": {
			newTemplate(withPolicies(v1beta1.InjectionAllowed, "")), []v1beta1.SandboxEnvVar{{Name: "C"}, {Name: "A"}},
			[]string{`spec.env[1].name: Invalid value: "A": the template sets it in container "main", and its envVarsInjectionPolicy lets a claim add variables only: use another name`},
		},
		"perhaps set by envFrom": {
			newTemplate(withPolicies(v1beta1.InjectionAllowed, ""), envFrom), []v1beta1.SandboxEnvVar{{Name: "C"}, {Name: "D", ContainerName: "main"}},
			[]string{`spec.env[0].name: Invalid value: "C": container "side" takes variables from envFrom, which this one might replace, and the envVarsInjectionPolicy of the template lets a claim add variables only`},
		},
		"no such container": {
			newTemplate(withPolicies(v1beta1.InjectionOverrides, "")), []v1beta1.SandboxEnvVar{{Name: "C", ContainerName: "mian"}},
			[]string{`spec.env[0].containerName: Unsupported value: "mian": supported values: "setup", "main", "side"`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sandbox, errs := ForClaim(test.template, newPool("warm"), newClaim(setting(test.env...)), "mine-x")
			assert.Nil(t, sandbox)
			assert.Equal(t, test.want, texts(errs))
		})
	}
}

func TestDisksOfAClaim(t *testing.T) {
	volumes := func(t *v1beta1.SandboxTemplate) {
		t.Spec.PodTemplate.Spec.Volumes = []corev1.Volume{
			{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "keys", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "keys"}}},
		}
	}
	const only = ": the template has a volume of this name, and its volumeClaimTemplatesPolicy lets a claim add volumes only: use another name"
	tests := map[string]struct {
		policy v1beta1.InjectionPolicy
		disks  []string
		// want has, by name, whose disk it is.
		want map[string]string
		errs []string
	}{
		"none":                     {policy: v1beta1.InjectionDisallowed, want: map[string]string{"data": ""}},
		"added":                    {policy: v1beta1.InjectionAllowed, disks: []string{"more", "scratch"}, want: map[string]string{"data": "", "more": "claim", "scratch": "claim"}},
		"replaced":                 {policy: v1beta1.InjectionOverrides, disks: []string{"data", "keys"}, want: map[string]string{"data": "claim", "keys": "claim"}},
		"a disk of the template":   {policy: v1beta1.InjectionAllowed, disks: []string{"more", "data"}, errs: []string{`spec.volumeClaimTemplates[1].metadata.name: Invalid value: "data"` + only}},
		"a volume of the template": {policy: v1beta1.InjectionAllowed, disks: []string{"keys"}, errs: []string{`spec.volumeClaimTemplates[0].metadata.name: Invalid value: "keys"` + only}},
		"disallowed": {policy: v1beta1.InjectionDisallowed, disks: []string{"more"}, errs: []string{
			`spec.volumeClaimTemplates: Forbidden: SandboxTemplate "python" has volumeClaimTemplatesPolicy Disallowed: leave it out, or claim from a pool whose template allows it`,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			template, claim := newTemplate(withPolicies("", test.policy), volumes), newClaim(bringing(test.disks...))
			before := template.DeepCopy()
			sandbox, errs := ForClaim(template, newPool("warm"), claim, "mine-x")
			assert.Equal(t, test.errs, texts(errs))
			assert.Equal(t, before, template)
			if sandbox == nil {
				return
			}
			got := map[string]string{}
			for _, disk := range sandbox.Spec.VolumeClaimTemplates {
				got[disk.Metadata.Name] = disk.Metadata.Labels["of"]
			}
			assert.Equal(t, test.want, got)
			assert.Len(t, sandbox.Spec.VolumeClaimTemplates, len(test.want))
		})
	}
}

func TestEveryErrorOfAClaimIsReported(t *testing.T) {
	claim := newClaim(setting(v1beta1.SandboxEnvVar{Name: "C"}), bringing("more"), withMetadata(map[string]string{"app": "x"}, nil))
	_, errs := ForClaim(newTemplate(), newPool("warm"), claim, "mine-x")
	var fields []string
	for _, err := range errs {
		fields = append(fields, err.Field)
	}
	assert.Equal(t, []string{"spec.env", "spec.volumeClaimTemplates", "spec.additionalPodMetadata.labels[app]"}, fields)
}
