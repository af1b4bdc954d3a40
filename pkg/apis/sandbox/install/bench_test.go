// SPDX-License-Identifier: Apache-2.0

package install

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// typical is a claimed Sandbox of one container, without managed fields.
func typical() *sandbox.Sandbox {
	return &sandbox.Sandbox{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: "python-x7k2p", UID: "0b2f6f0c-6f1e-4f7a-9a53-5d0d3f6a1c11", Generation: 2,
			Labels: map[string]string{v1beta1.WarmPoolLabel: "python", v1beta1.TemplateLabel: "python", v1beta1.TemplateHashLabel: "0123456789abcdef"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1beta1.SchemeGroupVersion.String(), Kind: "SandboxClaim", Name: "agent", UID: "9d1f4a2b-8c4e-4a3b-8f55-2a6f9b0c7d22", Controller: ptr.To(true),
			}},
		},
		Spec: sandbox.SandboxSpec{
			OperatingMode: sandbox.SandboxRunning,
			ClaimRef:      &sandbox.SandboxClaimReference{Name: "agent", UID: "9d1f4a2b-8c4e-4a3b-8f55-2a6f9b0c7d22"},
			PodTemplate: sandbox.PodTemplate{Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "agent", Image: "python:3.14", Command: []string{"python", "-m", "agent.server"},
				Ports:     []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
				Env:       []corev1.EnvVar{{Name: "AGENT_HOME", Value: "/workspace"}},
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m")}},
			}}}},
		},
		Status: sandbox.SandboxStatus{
			PodIPs: []string{"10.0.0.1"}, NodeName: "node-1",
			Conditions: []metav1.Condition{{Type: v1beta1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready", Message: "The Pod is ready.", ObservedGeneration: 2}},
		},
	}
}

func codecs() map[string]runtime.Codec {
	scheme := newScheme()
	factory := serializer.NewCodecFactory(scheme)
	made := map[string]runtime.Codec{}
	for _, info := range factory.SupportedMediaTypes() {
		made[info.MediaType] = factory.CodecForVersions(info.Serializer, info.Serializer, v1beta1.SchemeGroupVersion, runtime.InternalGroupVersioner)
	}
	return made
}

// media are the form of etcd and of clients in Go, and that of kubectl.
var media = []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON}

func BenchmarkEncode(b *testing.B) {
	for _, medium := range media {
		b.Run(medium, func(b *testing.B) {
			codec, obj := codecs()[medium], typical()
			b.ReportAllocs()
			for b.Loop() {
				_, err := runtime.Encode(codec, obj)
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, medium := range media {
		b.Run(medium, func(b *testing.B) {
			codec := codecs()[medium]
			raw, err := runtime.Encode(codec, typical())
			require.NoError(b, err)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				obj, err := runtime.Decode(codec, raw)
				require.NoError(b, err)
				assert.IsType(b, &sandbox.Sandbox{}, obj)
			}
		})
	}
}
