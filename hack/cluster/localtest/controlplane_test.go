// SPDX-License-Identifier: Apache-2.0

package localtest

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

const timeout = 90 * time.Second

// TestLocalClusterRunsPods is the promise of package local's documentation about Pods
// and volumes, on a control plane without the server.
func TestLocalClusterRunsPods(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane, and builds it if need be")
	}
	cluster := Start(t, local.Options{WithoutServer: true, Nodes: 2, Log: t.Output()})
	assert.Empty(t, cluster.Missing())
	client, err := kubernetes.NewForConfig(cluster.RESTConfig())
	require.NoError(t, err)
	ctx := t.Context()

	claims, pods := client.CoreV1().PersistentVolumeClaims("default"), client.CoreV1().Pods("default")
	_, err = claims.Create(ctx, claim("disk", nil), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = pods.Create(ctx, podOn("with-disk", "disk"), metav1.CreateOptions{})
	require.NoError(t, err)
	none := "none"
	_, err = claims.Create(ctx, claim("nowhere", &none), metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = pods.Create(ctx, podOn("waiting", "nowhere"), metav1.CreateOptions{})
	require.NoError(t, err)

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		pod, err := pods.Get(ctx, "with-disk", metav1.GetOptions{})
		require.NoError(c, err)
		assert.True(c, condition(pod, corev1.PodReady), "Ready")
		assert.NotEmpty(c, pod.Status.PodIP)
		waiting, err := pods.Get(ctx, "waiting", metav1.GetOptions{})
		require.NoError(c, err)
		assert.False(c, condition(waiting, corev1.PodScheduled), "PodScheduled of a Pod whose claim has no volume")
		assert.NotEmpty(c, waiting.Status.Conditions)
	}, timeout, 100*time.Millisecond)

	require.NoError(t, pods.Delete(ctx, "with-disk", metav1.DeleteOptions{}))
	require.NoError(t, claims.Delete(ctx, "disk", metav1.DeleteOptions{}))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := pods.Get(ctx, "with-disk", metav1.GetOptions{})
		assert.True(c, apierrors.IsNotFound(err), "the Pod is gone: %v", err)
		_, err = claims.Get(ctx, "disk", metav1.GetOptions{})
		assert.True(c, apierrors.IsNotFound(err), "the claim is gone: %v", err)
		volumes, err := client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
		require.NoError(c, err)
		assert.Empty(c, volumes.Items, "its volume is gone")
	}, timeout, 100*time.Millisecond)

	t.Run("a second start leaves it alone", func(t *testing.T) { testSecondStart(t, cluster) })
	t.Run("stop ends it", func(t *testing.T) { testStop(t, cluster) })
}

func testSecondStart(t *testing.T, cluster *local.Cluster) {
	t.Helper()
	before := cluster.Processes()
	again, err := local.Start(t.Context(), local.Options{Dir: cluster.Dir(), WithoutServer: true, Nodes: 2, Detached: true})
	require.NoError(t, err)
	assert.Equal(t, before, again.Processes())
}

func testStop(t *testing.T, cluster *local.Cluster) {
	t.Helper()
	processes := cluster.Processes()
	require.Len(t, processes, 5)
	require.Error(t, cluster.Remove(), "a running cluster cannot be removed")
	require.NoError(t, cluster.Stop(context.Background()))
	for name, record := range processes {
		assert.False(t, record.Alive(), name)
	}
	require.NoError(t, cluster.Remove())
	assert.NoDirExists(t, cluster.Dir())
	require.NoError(t, os.MkdirAll(cluster.Dir(), 0o755)) // Start's own clean-up stops it once more
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func claim(name string, class *string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: class,
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

func podOn(name, claim string) *corev1.Pod {
	volume := corev1.Volume{Name: "disk"}
	volume.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "c", Image: "none", VolumeMounts: []corev1.VolumeMount{{Name: "disk", MountPath: "/disk"}}}},
			Volumes:    []corev1.Volume{volume},
		},
	}
}
