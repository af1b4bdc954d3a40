// SPDX-License-Identifier: Apache-2.0

package registry_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox"
	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

// ordeal is what befalls one Sandbox.
type ordeal struct {
	*served
	name string
}

func (o ordeal) delete(options metav1.DeleteOptions) {
	o.Helper()
	_, _, err := o.storage["sandboxes"].(rest.GracefulDeleter).Delete(o.on("sandboxes"), o.name, rest.ValidateAllObjectFunc, &options)
	require.NoError(o, err)
}

func (o ordeal) update(changes ...func(*sandbox.Sandbox)) {
	o.Helper()
	for _, change := range changes {
		_, err := update(o.served, "sandboxes", o.name, change)
		require.NoError(o, err)
	}
}

func (o ordeal) updateStatus(change func(*sandbox.Sandbox)) {
	o.Helper()
	_, err := update(o.served, "sandboxes/status", o.name, change)
	require.NoError(o, err)
}

func by(policy metav1.DeletionPropagation) metav1.DeleteOptions {
	return metav1.DeleteOptions{PropagationPolicy: &policy}
}

func touch(s *sandbox.Sandbox) { s.Labels = map[string]string{"touched": "true"} }

func askForOrphans(s *sandbox.Sandbox) {
	s.Finalizers = append(s.Finalizers, metav1.FinalizerOrphanDependents)
}

// collected is what the garbage collector does last.
func collected(s *sandbox.Sandbox) {
	s.Finalizers = slices.DeleteFunc(s.Finalizers, func(finalizer string) bool {
		return finalizer == metav1.FinalizerOrphanDependents || finalizer == metav1.FinalizerDeleteDependents
	})
}

func annotateOrphaned(s *sandbox.Sandbox) {
	metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1beta1.OrphanDependentsAnnotation, "true")
}

// The finalizer that asks for orphans goes before the controller need have looked.
func TestOrphaningIsRemembered(t *testing.T) {
	s := serve(t)
	background := metav1.DeletePropagationBackground
	orphan := by(metav1.DeletePropagationOrphan)
	asIs := func(*sandbox.Sandbox) {}
	for name, test := range map[string]struct {
		born func(*sandbox.Sandbox)
		then func(ordeal)
		want bool
	}{
		"by-policy": {asIs, func(o ordeal) {
			o.delete(orphan)
			o.update(collected)
		}, true},
		"by-the-older-option": {asIs, func(o ordeal) {
			o.delete(metav1.DeleteOptions{OrphanDependents: ptr.To(true)}) //nolint:staticcheck // clients may send it
			o.update(collected)
		}, true},
		"by-a-finalizer-put-by-hand": {askForOrphans, func(o ordeal) {
			o.delete(metav1.DeleteOptions{})
			o.update(collected)
		}, true},
		"not-before-it-is-done": {asIs, func(o ordeal) {
			o.delete(orphan)
			o.update(touch)
		}, false},
		"not-when-the-finalizer-went-in-its-life": {askForOrphans, func(o ordeal) {
			o.update(collected)
			o.delete(metav1.DeleteOptions{})
			o.update(touch)
		}, false},
		"not-by-another-deletion": {asIs, func(o ordeal) {
			o.delete(by(background))
			o.update(touch)
		}, false},
		"not-by-one-in-the-foreground": {asIs, func(o ordeal) {
			o.delete(by(metav1.DeletePropagationForeground))
			o.update(collected)
		}, false},
		"not-when-a-later-deletion-says-otherwise-in-time": {asIs, func(o ordeal) {
			o.delete(orphan)
			o.delete(by(background))
			o.update(collected, touch)
		}, false},
		"when-a-later-deletion-comes-too-late": {asIs, func(o ordeal) {
			o.delete(orphan)
			o.update(collected)
			o.delete(by(background))
			o.update(touch)
		}, true},
		"nobody-takes-it-off": {asIs, func(o ordeal) {
			o.delete(orphan)
			o.update(collected, func(s *sandbox.Sandbox) { s.Annotations = nil })
			o.update(func(s *sandbox.Sandbox) {
				metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1beta1.OrphanDependentsAnnotation, "false")
			})
			o.updateStatus(func(s *sandbox.Sandbox) { s.Annotations = nil })
		}, true},
		"nobody-is-born-with-it":         {annotateOrphaned, func(ordeal) {}, false},
		"nobody-puts-it-on-what-lives":   {asIs, func(o ordeal) { o.update(annotateOrphaned) }, false},
		"nobody-puts-it-there-by-status": {asIs, func(o ordeal) { o.updateStatus(annotateOrphaned) }, false},
		"nobody-puts-it-on-what-is-deleted": {asIs, func(o ordeal) {
			o.delete(by(background))
			o.update(annotateOrphaned)
			o.updateStatus(annotateOrphaned)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			born := newSandbox(name)
			born.Annotations = map[string]string{"theirs": "x"}
			test.born(born)
			create(s, "sandboxes", born)
			test.then(ordeal{s, name})
			stored := read[*sandbox.Sandbox](s, "sandboxes", name)
			mark, found := stored.Annotations[v1beta1.OrphanDependentsAnnotation]
			assert.Equal(t, test.want, found)
			if test.want {
				assert.Equal(t, "true", mark)
			}
			assert.Contains(t, stored.Finalizers, v1beta1.SandboxFinalizer)
		})
	}
}
