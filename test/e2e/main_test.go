// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

var env *harness.Env

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, harness.Options{}, func(e *harness.Env) { env = e }))
}

// populate makes Sandboxes of every kind of life, settled, and waits until the garbage
// collector has them in its graph.
func populate(ns *harness.Space) {
	ns.T.Helper()
	ns.Create(harness.Sandbox("running", harness.WithDisk("data"), harness.WithService))
	ns.Create(harness.Sandbox("plain"))
	ns.Create(harness.Sandbox("suspended", harness.Suspended, harness.WithDisk("data")))
	ns.Create(harness.Sandbox("resumed", harness.WithDisk("data")))
	ns.Create(harness.Sandbox("finished", harness.RunningOnce))
	for _, name := range []string{"running", "plain", "resumed", "finished"} {
		ns.WaitReady(name)
	}
	_, err := ns.Sandboxes().Suspend(ns.T.Context(), "resumed", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	ns.WaitSuspended("resumed")
	// A Sandbox that has been suspended once has its disk without a Pod.
	_, err = ns.Sandboxes().Resume(ns.T.Context(), "suspended", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	_, err = ns.Sandboxes().Resume(ns.T.Context(), "resumed", &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	ns.WaitReady("resumed")
	ns.WaitReady("suspended")
	_, err = ns.Sandboxes().Suspend(ns.T.Context(), "suspended", &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
	require.NoError(ns.T, err)
	ns.WaitSuspended("suspended")
	ns.EndPod("finished", 0)
	ns.WaitConditions("finished", "Finished=True/PodSucceeded")
	ns.WaitForCollector()
}

// children are the UIDs of the Pods, disks and Services of a namespace, by KIND/NAME. What
// is being deleted is not there any more.
func children(ns *harness.Space) (map[string]types.UID, error) {
	ctx, found := ns.T.Context(), map[string]types.UID{}
	add := func(kind string, object metav1.Object) {
		if object.GetDeletionTimestamp() == nil {
			found[kind+"/"+object.GetName()] = object.GetUID()
		}
	}
	pods, err := ns.Pods().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range pods.Items {
		add("pod", &pods.Items[i])
	}
	disks, err := ns.Disks().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range disks.Items {
		add("disk", &disks.Items[i])
	}
	services, err := ns.Services().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for i := range services.Items {
		add("service", &services.Items[i])
	}
	return found, nil
}

// remain says which of the children have gone or been replaced.
func remain(ns *harness.Space, want map[string]types.UID) error {
	found, err := children(ns)
	if err != nil {
		return err
	}
	for name, uid := range want {
		if found[name] != uid {
			return fmt.Errorf("%s had UID %s and has %q", name, uid, found[name])
		}
	}
	return nil
}
