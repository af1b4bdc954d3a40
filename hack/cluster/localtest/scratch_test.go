package localtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

func TestScratch(t *testing.T) {
	begin := time.Now()
	cluster := Start(t, local.Options{WithoutServer: true, Nodes: 3, Log: t.Output()})
	t.Log("up after", time.Since(begin))
	client, _ := kubernetes.NewForConfig(cluster.RESTConfig())
	ctx := t.Context()
	claims, pods := client.CoreV1().PersistentVolumeClaims("default"), client.CoreV1().Pods("default")
	const n = 200
	for round := range 2 {
		begin = time.Now()
		var wg sync.WaitGroup
		for i := range n {
			wg.Add(1)
			go func() {
				defer wg.Done()
				name := fmt.Sprintf("x%d", i)
				_, err := claims.Create(ctx, claim(name, nil), metav1.CreateOptions{})
				assert.NoError(t, err)
				_, err = pods.Create(ctx, podOn(name, name), metav1.CreateOptions{})
				assert.NoError(t, err)
			}()
		}
		wg.Wait()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			l, _ := pods.List(ctx, metav1.ListOptions{})
			ready := 0
			ips := map[string]bool{}
			for i := range l.Items {
				if condition(&l.Items[i], corev1.PodReady) {
					ready++
					ips[l.Items[i].Status.PodIP] = true
				}
			}
			assert.Equal(c, n, ready)
			assert.Equal(c, n, len(ips))
		}, timeout, 100*time.Millisecond)
		t.Log("round", round, n, "pods with PVC ready after", time.Since(begin))
		vols, _ := client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
		phases := map[corev1.PersistentVolumePhase]int{}
		for _, v := range vols.Items {
			phases[v.Status.Phase]++
		}
		t.Log("pv", phases)
		begin = time.Now()
		_ = pods.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		_ = claims.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{})
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			l, _ := claims.List(ctx, metav1.ListOptions{})
			v, _ := client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
			assert.Equal(c, 0, len(l.Items))
			assert.Equal(c, 0, len(v.Items))
		}, timeout, 100*time.Millisecond)
		t.Log("all gone after", time.Since(begin))
	}
	ev, _ := client.CoreV1().Events("default").List(ctx, metav1.ListOptions{})
	seen := map[string]int{}
	for _, e := range ev.Items {
		seen[e.Reason]++
	}
	t.Log(seen)
}
