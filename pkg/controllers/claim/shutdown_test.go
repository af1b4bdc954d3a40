// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/generated/clientset/versioned/fake"
)

// patched is what an API server makes of the Sandbox.
func patched(t *testing.T, sandbox *v1beta1.Sandbox, changes map[string]any) *v1beta1.Sandbox {
	t.Helper()
	server := fake.NewSimpleClientset()
	require.NoError(t, server.Tracker().Create(sandboxes, sandbox, sandbox.Namespace))
	patch, err := json.Marshal(changes)
	require.NoError(t, err)
	after, err := server.SandboxV1beta1().Sandboxes(sandbox.Namespace).Patch(t.Context(), sandbox.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	require.NoError(t, err)
	return after
}

func withDeletePolicy(s *v1beta1.Sandbox) { s.Spec.ShutdownPolicy = v1beta1.SandboxShutdownDelete }

func annotated(s *v1beta1.Sandbox) { s.Annotations = map[string]string{"example.com/note": "kept"} }

// A retained Sandbox is never deleted by its own policy, and gets back exactly what it had.
func TestShutDownAndBack(t *testing.T) {
	for name, before := range map[string]*v1beta1.Sandbox{
		"no end of its own":         newSandbox(),
		"a later end":               newSandbox(shutDownAt(time.Hour)),
		"a later end, then deleted": newSandbox(shutDownAt(time.Hour), withDeletePolicy),
		"deleted at no time":        newSandbox(withDeletePolicy),
		"annotations":               newSandbox(annotated),
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, shutDown, shutDownOf(before, now))
			patch, err := shutdownPatch(before, now)
			require.NoError(t, err)
			shut := patched(t, before, patch)

			assert.Equal(t, v1beta1.SandboxShutdownRetain, shut.Spec.ShutdownPolicy)
			assert.True(t, shut.Spec.ShutdownTime.After(now), "validation takes no time that has passed")
			assert.Equal(t, keep, shutDownOf(shut, now), "once is enough")
			require.Equal(t, revive, revival(shut))

			back := patched(t, shut, revivalPatch(shut, now))
			assert.True(t, before.Spec.ShutdownTime.Equal(back.Spec.ShutdownTime), "%v became %v", before.Spec.ShutdownTime, back.Spec.ShutdownTime)
			assert.Equal(t, before.Spec.ShutdownPolicy, back.Spec.ShutdownPolicy)
			assert.Equal(t, before.Annotations["example.com/note"], back.Annotations["example.com/note"])
			assert.NotContains(t, back.Annotations, shutdownAnnotation)
			assert.Equal(t, keep, revival(back))
		})
	}
}

// A user who revives the Sandbox of an expired claim does not make us forget.
func TestShutDownAgainKeepsTheFirstMemory(t *testing.T) {
	revived := newSandbox(shutDownAt(time.Hour), byTheClaim(`{"policy":"Delete"}`))
	patch, err := shutdownPatch(revived, now)
	require.NoError(t, err)
	back := patched(t, newSandbox(), revivalPatch(patched(t, revived, patch), now))
	assert.Nil(t, back.Spec.ShutdownTime)
	assert.Equal(t, v1beta1.SandboxShutdownDelete, back.Spec.ShutdownPolicy)
}

func TestRevivalPatch(t *testing.T) {
	end := at(-time.Minute)
	tests := map[string]struct {
		memory   string
		wantTime bool
		want     v1beta1.SandboxShutdownPolicy
	}{
		"an end that has passed meanwhile stays": {`{"time":"2026-05-01T11:00:00Z","policy":"Delete"}`, true, v1beta1.SandboxShutdownDelete},
		"unreadable":                             {`{`, false, v1beta1.SandboxShutdownRetain},
		"empty":                                  {``, false, v1beta1.SandboxShutdownRetain},
		"unknown fields":                         {`{"when":"never"}`, false, v1beta1.SandboxShutdownRetain},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			shut := newSandbox(shutDownAt(-time.Minute), byTheClaim(test.memory))
			back := patched(t, shut, revivalPatch(shut, now))
			assert.Equal(t, test.want, back.Spec.ShutdownPolicy)
			assert.Equal(t, test.wantTime, back.Spec.ShutdownTime != nil)
			if test.wantTime {
				assert.True(t, end.Equal(back.Spec.ShutdownTime), "no other time would be valid")
			}
			assert.NotContains(t, back.Annotations, shutdownAnnotation)
		})
	}
}

func TestShutDownOf(t *testing.T) {
	tests := map[string]struct {
		sandbox *v1beta1.Sandbox
		want    action
	}{
		"none":                {nil, keep},
		"running":             {newSandbox(), shutDown},
		"suspended":           {newSandbox(notReady(v1beta1.ReasonSandboxSuspended, "")), shutDown},
		"ends later":          {newSandbox(shutDownAt(time.Hour)), shutDown},
		"about to end":        {newSandbox(shutDownAt(shutdownNotice)), keep},
		"over by itself":      {newSandbox(shutDownAt(-time.Hour)), keep},
		"being deleted":       {newSandbox(sandboxDeleted), keep},
		"over, to be deleted": {newSandbox(shutDownAt(-time.Hour), withDeletePolicy), keep},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { assert.Equal(t, test.want, shutDownOf(test.sandbox, now)) })
	}
}
