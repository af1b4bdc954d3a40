// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/janitor"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/informers/externalversions"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

const (
	shortPatience = 3 * time.Second
	shortSkew     = time.Second
)

// cleanUp runs a janitor beside the server's, which has far more patience.
func cleanUp(ns *harness.Space) {
	ns.T.Helper()
	own := externalversions.NewSharedInformerFactory(ns.Client, 0)
	controller := janitor.New(janitor.Options{
		Own:       ns.Client.SandboxV1beta1(),
		Informers: own.Sandbox().V1beta1(),
		Kube:      ns.Kube,
		Events:    events.NewFakeRecorder(1000),
		Interval:  200 * time.Millisecond,
		Patience:  shortPatience,
		Skew:      shortSkew,
	})
	inBackground(ns.T, func(ctx context.Context) {
		own.StartWithContext(ctx)
		controller.Run(ctx)
	})
}

// furnished has a namespace with an object of each kind, and others, so that it is not
// the only one.
func furnished(t *testing.T) *harness.Space {
	t.Helper()
	for range 3 {
		other := env.Space(t)
		_, err := other.Templates().Create(t.Context(), harness.Template("other"), metav1.CreateOptions{})
		require.NoError(t, err)
	}
	ns := env.Space(t)
	poolOf(ns, "pool")
	require.NoError(t, create(ns, harness.Claim("claim", "pool")))
	ns.Create(harness.Sandbox("dev", harness.Suspended, harness.WithDisk("data"), harness.WithService))
	ns.WaitSuspended("dev")
	ns.Eventually("the Service of the Sandbox is there", func() error { return ns.GetService("dev")(t.Context()) })
	return ns
}

// die takes a namespace away as somebody does who finalizes it by hand: without a look
// at what is in it. Then all that is the cluster's is deleted, and what is ours is not.
func die(ns *harness.Space) {
	ns.T.Helper()
	ctx, namespaces := ns.T.Context(), ns.Kube.CoreV1().Namespaces()
	namespace, err := namespaces.Get(ctx, ns.Name, metav1.GetOptions{})
	require.NoError(ns.T, err)
	namespace.Spec.Finalizers = nil
	_, err = namespaces.Finalize(ctx, namespace, metav1.UpdateOptions{})
	require.NoError(ns.T, err)
	// The first deletion marks it, the second takes it away.
	ns.WaitGone("the namespace", func(ctx context.Context) error { return namespaces.Delete(ctx, ns.Name, metav1.DeleteOptions{}) })
	services, err := ns.Services().List(ctx, metav1.ListOptions{})
	require.NoError(ns.T, err)
	for i := range services.Items {
		require.NoError(ns.T, ns.Services().Delete(ctx, services.Items[i].Name, metav1.DeleteOptions{}))
	}
	require.NoError(ns.T, ns.Kube.NetworkingV1().NetworkPolicies(ns.Name).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
}

// left counts the objects of ours in a namespace, by resource.
func left(ns *harness.Space) (int, error) {
	ctx, count := ns.T.Context(), 0
	for _, list := range []func() (int, error){
		func() (int, error) {
			l, err := ns.Sandboxes().List(ctx, metav1.ListOptions{})
			return len(l.Items), err
		},
		func() (int, error) { l, err := ns.Claims().List(ctx, metav1.ListOptions{}); return len(l.Items), err },
		func() (int, error) { l, err := ns.Pools().List(ctx, metav1.ListOptions{}); return len(l.Items), err },
		func() (int, error) {
			l, err := ns.Templates().List(ctx, metav1.ListOptions{})
			return len(l.Items), err
		},
	} {
		n, err := list()
		if err != nil {
			return 0, err
		}
		count += n
	}
	return count, nil
}

func nothingLeft(ns *harness.Space) func() error {
	return func() error {
		count, err := left(ns)
		if err == nil && count > 0 {
			err = fmt.Errorf("%d objects are left", count)
		}
		return err
	}
}

func TestDeadNamespace(t *testing.T) {
	t.Parallel()
	ns := furnished(t)
	before, err := left(ns)
	require.NoError(t, err)
	require.Equal(t, 4, before)
	cleanUp(ns)
	die(ns)
	ns.Always("nothing goes at once", shortPatience/2, func() error {
		if count, err := left(ns); err != nil || count != before {
			return fmt.Errorf("%d are left, %w", count, err)
		}
		return nil
	})
	ns.Eventually("nothing is left of the dead namespace", nothingLeft(ns))
}

// TestDeadNamespaceByHand: docs/operations/orphans.md.
func TestDeadNamespaceByHand(t *testing.T) {
	t.Parallel()
	ns := furnished(t)
	die(ns)
	ns.MustKubectl("", "delete", "sandboxclaims,sandboxwarmpools,sandboxes,sandboxtemplates", "--all")
	ns.Eventually("nothing is left of the dead namespace", nothingLeft(ns))
}

// TestNamespaceMadeAnew: what has the names of what the Sandbox of yesterday would need
// is somebody else's now.
func TestNamespaceMadeAnew(t *testing.T) {
	t.Parallel()
	ns := furnished(t)
	made := ns.Get("dev").CreationTimestamp
	die(ns)
	ns.Eventually("some time has passed", func() error {
		if age := time.Since(made.Time); age < 3*shortSkew {
			return fmt.Errorf("it is %v", age)
		}
		return nil
	})
	anew := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns.Name}}
	_, err := ns.Kube.CoreV1().Namespaces().Create(t.Context(), anew, metav1.CreateOptions{})
	require.NoError(t, err)
	ns.Eventually("the ServiceAccount default exists", func() error {
		_, err := ns.Kube.CoreV1().ServiceAccounts(ns.Name).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
	disk := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data-dev"}, Spec: harness.DiskSpec()}
	disk, err = ns.Disks().Create(t.Context(), disk, metav1.CreateOptions{})
	require.NoError(t, err)
	pod := createPod(ns, theirPod("dev"))
	// The Sandbox may have been faster with its Service, which is its own then.
	require.NoError(t, createService(ns, "theirs"))
	want := map[string]types.UID{"pod": pod.UID, "disk": disk.UID, "service": ns.Service("theirs").UID}

	cleanUp(ns)
	ns.Eventually("nothing is left of the dead namespace", nothingLeft(ns))
	assert.Equal(t, want, map[string]types.UID{"pod": ns.Pod("dev").UID, "disk": ns.Disk("data-dev").UID, "service": ns.Service("theirs").UID})
	assert.Equal(t, pod.Labels, ns.Pod("dev").Labels)
	assert.Equal(t, disk.Labels, ns.Disk("data-dev").Labels)
	assert.Nil(t, ns.Pod("dev").DeletionTimestamp)
	assert.Nil(t, ns.Disk("data-dev").DeletionTimestamp)

	require.NoError(t, create(ns, harness.Template("new")))
	ns.Create(harness.Sandbox("new"))
	ns.WaitReady("new")
	ns.Always("what is new stays", 2*shortPatience, func() error { return ns.GetSandbox("new")(t.Context()) })
	assert.Equal(t, v1beta1.SandboxRunning, ns.Get("new").Spec.OperatingMode)
}
