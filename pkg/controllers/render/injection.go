// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// injectEnv gives the variables of a claim to the containers of its Sandbox. One
// without a containerName goes to all containers but not to init containers, which
// have to be named. One that names a container beats one that does not.
func injectEnv(sandbox *v1beta1.Sandbox, template *v1beta1.SandboxTemplate, claim *v1beta1.SandboxClaim) field.ErrorList {
	env, policy := claim.Spec.Env, template.Spec.EnvVarsInjectionPolicy
	path := field.NewPath("spec", "env")
	if len(env) == 0 || !injects(policy) {
		return refuse(len(env), path, template.Name, "envVarsInjectionPolicy")
	}
	spec := &sandbox.Spec.PodTemplate.Spec
	var general, special []v1beta1.SandboxEnvVar
	var errs field.ErrorList
	for i, variable := range env {
		if variable.ContainerName == "" {
			general = append(general, variable)
		} else {
			special = append(special, variable)
		}
		errs = append(errs, refuseEnv(spec, &env[i], policy, path.Index(i))...)
	}
	if len(errs) > 0 {
		return errs
	}
	for _, variable := range append(general, special...) {
		for _, container := range receivers(spec, variable.ContainerName) {
			setEnv(container, corev1.EnvVar{Name: variable.Name, Value: variable.Value})
		}
	}
	return nil
}

// injects says whether a policy lets anything in. The zero policy does not.
func injects(policy v1beta1.InjectionPolicy) bool {
	return policy == v1beta1.InjectionAllowed || policy == v1beta1.InjectionOverrides
}

// refuse is the answer where the policy lets nothing in.
func refuse(count int, path *field.Path, template, policy string) field.ErrorList {
	if count == 0 {
		return nil
	}
	return field.ErrorList{field.Forbidden(path,
		fmt.Sprintf("SandboxTemplate %q has %s %s: leave it out, or claim from a pool whose template allows it", template, policy, v1beta1.InjectionDisallowed))}
}

// refuseEnv looks at the containers as the template has them.
func refuseEnv(spec *corev1.PodSpec, variable *v1beta1.SandboxEnvVar, policy v1beta1.InjectionPolicy, path *field.Path) field.ErrorList {
	containers := receivers(spec, variable.ContainerName)
	if len(containers) == 0 {
		return field.ErrorList{field.NotSupported(path.Child("containerName"), variable.ContainerName, containerNames(spec))}
	}
	if policy == v1beta1.InjectionOverrides {
		return nil
	}
	var errs field.ErrorList
	for _, container := range containers {
		detail := ""
		switch {
		case slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == variable.Name }):
			detail = fmt.Sprintf("the template sets it in container %q, and its envVarsInjectionPolicy lets a claim add variables only: use another name", container.Name)
		case len(container.EnvFrom) > 0:
			detail = fmt.Sprintf("container %q takes variables from envFrom, which this one might replace, and the envVarsInjectionPolicy of the template lets a claim add variables only", container.Name)
		default:
			continue
		}
		errs = append(errs, field.Invalid(path.Child("name"), variable.Name, detail))
	}
	return errs
}

// receivers are the containers that a variable is meant for.
func receivers(spec *corev1.PodSpec, name string) []*corev1.Container {
	var found []*corev1.Container
	for i := range spec.InitContainers {
		if name != "" && spec.InitContainers[i].Name == name {
			found = append(found, &spec.InitContainers[i])
		}
	}
	for i := range spec.Containers {
		if name == "" || spec.Containers[i].Name == name {
			found = append(found, &spec.Containers[i])
		}
	}
	return found
}

func containerNames(spec *corev1.PodSpec) []string {
	var names []string
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		names = append(names, container.Name)
	}
	return names
}

// setEnv replaces a variable where it stands: later ones may refer to it.
func setEnv(container *corev1.Container, variable corev1.EnvVar) {
	replaced := false
	for i := range container.Env {
		if container.Env[i].Name == variable.Name {
			container.Env[i], replaced = variable, true
		}
	}
	if !replaced {
		container.Env = append(container.Env, variable)
	}
}

// injectDisks gives the disks of a claim to its Sandbox.
func injectDisks(sandbox *v1beta1.Sandbox, template *v1beta1.SandboxTemplate, claim *v1beta1.SandboxClaim) field.ErrorList {
	disks, policy := claim.Spec.VolumeClaimTemplates, template.Spec.VolumeClaimTemplatesPolicy
	path := field.NewPath("spec", "volumeClaimTemplates")
	if len(disks) == 0 || !injects(policy) {
		return refuse(len(disks), path, template.Name, "volumeClaimTemplatesPolicy")
	}
	var errs field.ErrorList
	for i := range disks {
		disk := disks[i].DeepCopy()
		name := disk.Metadata.Name
		if policy != v1beta1.InjectionOverrides && hasVolume(&template.Spec, name) {
			errs = append(errs, field.Invalid(path.Index(i).Child("metadata", "name"), name,
				"the template has a volume of this name, and its volumeClaimTemplatesPolicy lets a claim add volumes only: use another name"))
			continue
		}
		at := slices.IndexFunc(sandbox.Spec.VolumeClaimTemplates, func(t v1beta1.PersistentVolumeClaimTemplate) bool {
			return t.Metadata.Name == name
		})
		if at >= 0 {
			sandbox.Spec.VolumeClaimTemplates[at] = *disk
		} else {
			sandbox.Spec.VolumeClaimTemplates = append(sandbox.Spec.VolumeClaimTemplates, *disk)
		}
	}
	return errs
}

// hasVolume says whether a template has something of that name that a claim would
// take away. An emptyDir is nothing: with it a template says where a claim may
// mount a disk, since the cluster refuses a mount without a volume.
func hasVolume(spec *v1beta1.SandboxTemplateSpec, name string) bool {
	return slices.ContainsFunc(spec.VolumeClaimTemplates, func(t v1beta1.PersistentVolumeClaimTemplate) bool {
		return t.Metadata.Name == name
	}) || slices.ContainsFunc(spec.PodTemplate.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == name && v.EmptyDir == nil
	})
}
