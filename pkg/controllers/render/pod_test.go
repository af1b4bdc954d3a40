// SPDX-License-Identifier: Apache-2.0

package render

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

func TestPodOfAPlainSandbox(t *testing.T) {
	sandbox := newSandbox()
	before := sandbox.DeepCopy()

	pod := Pod(sandbox, "uid-anchor")

	assert.Equal(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team",
			Name:      "dev",
			Labels: map[string]string{
				v1beta1.SandboxLabel:     "true",
				v1beta1.SandboxNameLabel: "dev",
				v1beta1.SandboxUIDLabel:  "uid-dev",
			},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "sandbox.agents.x-k8s.io/v1beta1", Kind: "Sandbox", Name: "dev", UID: "uid-dev", Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true)},
				{APIVersion: "v1", Kind: "Service", Name: "sandboxes", UID: "uid-anchor"},
			},
		},
		Spec: corev1.PodSpec{
			Containers:                   []corev1.Container{{Name: "main", Image: "shell"}},
			AutomountServiceAccountToken: ptr.To(false),
			EnableServiceLinks:           ptr.To(false),
			Hostname:                     "dev",
			Subdomain:                    "sandboxes",
		},
	}, pod)
	assert.Equal(t, before, sandbox, "what is passed in stays as it is")
}

func TestPodForADryRunHasNoOwners(t *testing.T) {
	assert.Empty(t, Pod(newSandbox(), "").OwnerReferences)
}

func TestPodKeepsWhatTheTemplateSays(t *testing.T) {
	pod := Pod(newSandbox(func(s *v1beta1.Sandbox) {
		spec := &s.Spec.PodTemplate.Spec
		spec.AutomountServiceAccountToken = ptr.To(true)
		spec.EnableServiceLinks = ptr.To(true)
		spec.RuntimeClassName = ptr.To("gvisor")
		s.Spec.PodTemplate.Metadata = v1beta1.PodMetadata{
			Labels:      map[string]string{"app": "shell"},
			Annotations: map[string]string{"note": "mine"},
		}
	}), "uid-anchor")

	assert.True(t, *pod.Spec.AutomountServiceAccountToken)
	assert.True(t, *pod.Spec.EnableServiceLinks)
	assert.Equal(t, "gvisor", *pod.Spec.RuntimeClassName)
	assert.Equal(t, "shell", pod.Labels["app"])
	assert.Equal(t, map[string]string{"note": "mine"}, pod.Annotations)
}

func TestPodIdentity(t *testing.T) {
	tests := map[string]struct {
		hostname, subdomain         string
		wantHostname, wantSubdomain string
	}{
		"neither is set":   {"", "", "dev", "sandboxes"},
		"hostname is set":  {"box", "", "box", ""},
		"subdomain is set": {"", "boxes", "", "boxes"},
		"both are set":     {"box", "boxes", "box", "boxes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := Pod(newSandbox(withIdentity(test.hostname, test.subdomain)), "uid-anchor")
			assert.Equal(t, test.wantHostname, pod.Spec.Hostname)
			assert.Equal(t, test.wantSubdomain, pod.Spec.Subdomain)
		})
	}
}

// A reserved label in a podTemplate would capture another Sandbox's Service traffic.
func TestReservedKeysOfTheTemplateNeverReachThePod(t *testing.T) {
	pod := Pod(newSandbox(func(s *v1beta1.Sandbox) {
		stolen := map[string]string{
			v1beta1.SandboxNameLabel:        "victim",
			v1beta1.SandboxUIDLabel:         "uid-victim",
			v1beta1.ClaimLabel:              "victim",
			v1beta1.KeyPrefix + "of-future": "x",
			"app":                           "shell",
		}
		s.Spec.PodTemplate.Metadata = v1beta1.PodMetadata{Labels: stolen, Annotations: stolen}
	}), "uid-anchor")

	assert.Equal(t, map[string]string{
		v1beta1.SandboxLabel:     "true",
		v1beta1.SandboxNameLabel: "dev",
		v1beta1.SandboxUIDLabel:  "uid-dev",
		"app":                    "shell",
	}, pod.Labels)
	assert.Equal(t, map[string]string{"app": "shell"}, pod.Annotations)
}

func TestPoolTemplateAndClaimFollowTheLabelsOfTheSandbox(t *testing.T) {
	sandbox := newSandbox(func(s *v1beta1.Sandbox) {
		s.Labels = map[string]string{v1beta1.WarmPoolLabel: "pool", v1beta1.TemplateLabel: "python", "mine": "x"}
	})
	assert.Equal(t, map[string]string{
		v1beta1.SandboxLabel:     "true",
		v1beta1.SandboxNameLabel: "dev",
		v1beta1.SandboxUIDLabel:  "uid-dev",
		v1beta1.WarmPoolLabel:    "pool",
		v1beta1.TemplateLabel:    "python",
	}, Labels(sandbox))

	sandbox.Labels = map[string]string{v1beta1.ClaimLabel: "claim"}
	labels := Labels(sandbox)
	assert.Equal(t, "claim", labels[v1beta1.ClaimLabel])
	assert.NotContains(t, labels, v1beta1.WarmPoolLabel)
}

func TestPodMountsDisksByTheNameOfTheirTemplate(t *testing.T) {
	sandbox := newSandbox(withDisk("data"), withDisk("cache"), func(s *v1beta1.Sandbox) {
		s.Spec.PodTemplate.Spec.Volumes = []corev1.Volume{
			{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		}
	})
	before := sandbox.DeepCopy()

	volumes := Pod(sandbox, "uid-anchor").Spec.Volumes

	claims := map[string]string{}
	for _, volume := range volumes {
		claims[volume.Name] = ""
		if volume.PersistentVolumeClaim != nil {
			claims[volume.Name] = volume.PersistentVolumeClaim.ClaimName
		}
	}
	require.Len(t, volumes, 3, "a volume of the same name is replaced")
	assert.Equal(t, map[string]string{"data": "data-dev", "cache": "cache-dev", "tmp": ""}, claims)
	assert.Equal(t, before, sandbox)
}

// The garbage collector deletes what has only absent owners, and an empty etcd behind
// our API makes every Sandbox absent.
func TestPersistentVolumeClaimHasNoOwner(t *testing.T) {
	sandbox := newSandbox(withDisk("data"), func(s *v1beta1.Sandbox) {
		s.Spec.VolumeClaimTemplates[0].Metadata.Labels = map[string]string{"tier": "fast", v1beta1.SandboxUIDLabel: "uid-victim"}
		s.Spec.VolumeClaimTemplates[0].Metadata.Annotations = map[string]string{"note": "mine"}
	})
	template := &sandbox.Spec.VolumeClaimTemplates[0]

	disk := PersistentVolumeClaim(sandbox, template)

	assert.Equal(t, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:   "team",
			Name:        "data-dev",
			Labels:      map[string]string{"tier": "fast", v1beta1.SandboxNameLabel: "dev", v1beta1.SandboxUIDLabel: "uid-dev"},
			Annotations: map[string]string{"note": "mine"},
		},
		Spec: template.Spec,
	}, disk)
	disk.Spec.AccessModes[0] = corev1.ReadWriteMany
	assert.Equal(t, corev1.ReadWriteOnce, template.Spec.AccessModes[0], "nothing is shared with the template")
}
