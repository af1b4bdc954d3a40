// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/harness"
)

// manifest is what somebody would type.
func manifest(name string) string {
	return `
apiVersion: sandbox.agents.x-k8s.io/v1beta1
kind: Sandbox
metadata:
  name: ` + name + `
spec:
  podTemplate:
    spec:
      containers:
      - name: main
        image: ` + harness.Image + `
`
}

func kindOf(object any) schema.GroupVersionKind {
	kinds := map[string]bool{"*v1beta1.Sandbox": true, "*v1beta1.SandboxTemplate": true, "*v1beta1.SandboxWarmPool": true, "*v1beta1.SandboxClaim": true}
	name := fmt.Sprintf("%T", object)
	if !kinds[name] {
		panic("no kind of ours: " + name)
	}
	return v1beta1.SchemeGroupVersion.WithKind(name[len("*v1beta1."):])
}

// watched returns the names that a watch begins with, sorted; nil if there are none.
func watched(ns *harness.Space, resource, selector string) []string {
	ns.T.Helper()
	client := ns.Dynamic.Resource(v1beta1.SchemeGroupVersion.WithResource(resource)).Namespace(ns.Name)
	sendInitialEvents := true
	watcher, err := client.Watch(ns.T.Context(), metav1.ListOptions{
		FieldSelector: selector, SendInitialEvents: &sendInitialEvents,
		AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	require.NoError(ns.T, err)
	defer watcher.Stop()
	var names []string
	for {
		event := next(ns, watcher)
		object := event.Object.(*unstructured.Unstructured)
		switch event.Type {
		case watch.Added:
			names = append(names, object.GetName())
		case watch.Bookmark:
			if object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
				slices.Sort(names)
				return names
			}
		}
	}
}

// next returns the next event of a watch that must have one.
func next(ns *harness.Space, watcher watch.Interface) watch.Event {
	ns.T.Helper()
	select {
	case event, open := <-watcher.ResultChan():
		require.True(ns.T, open, "the watch has ended")
		return event
	case <-time.After(harness.Timeout):
		require.Fail(ns.T, "no event came")
	}
	return watch.Event{}
}
