// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/report"
)

// opener opens a watch of objects by list options.
type opener func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error)

// until does something and returns when a watch of the object shows what was meant to come of it.
func until(ctx context.Context, open opener, name string, shows func(watch.Event) bool, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	watcher, err := open(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
	if err != nil {
		return fmt.Errorf("watching %s: %w", name, err)
	}
	defer watcher.Stop()
	if err := do(); err != nil {
		return err
	}
	for event := range watcher.ResultChan() {
		if shows(event) {
			return nil
		}
	}
	return fmt.Errorf("watching %s: it did not become what it should within a minute", name)
}

func showsPodReady(event watch.Event) bool {
	pod, ok := event.Object.(*corev1.Pod)
	return ok && podReady(pod)
}

func showsSandbox(condition string) func(watch.Event) bool {
	return func(event watch.Event) bool {
		sandbox, ok := event.Object.(*v1beta1.Sandbox)
		return ok && meta.IsStatusConditionTrue(sandbox.Status.Conditions, condition)
	}
}

func showsClaimReady(event watch.Event) bool {
	claim, ok := event.Object.(*v1beta1.SandboxClaim)
	return ok && claimReady(claim)
}

// steps of the lifecycle, each timed until it shows, without the time that the watch
// needs to open.
type steps struct {
	env       *Env
	namespace string
	begin     time.Time
	calls     map[string][]measure.Call
}

func (s *steps) time(ctx context.Context, step string, open opener, name string, shows func(watch.Event) bool, do func() error) error {
	var start time.Time
	err := until(ctx, open, name, shows, func() error {
		start = time.Now()
		return do()
	})
	s.calls[step] = append(s.calls[step], measure.Call{Start: start.Sub(s.begin), Took: time.Since(start), Err: err})
	return err
}

const (
	stepPod     = "bare Pod: create → Ready"
	stepCreate  = "Sandbox: create → Ready"
	stepSuspend = "Sandbox: suspend → Pod gone"
	stepResume  = "Sandbox: resume → Ready"
	stepCold    = "cold claim → Ready"
)

// lifecycle alternates the steps of a Sandbox with a bare Pod's way to Ready.
func lifecycle(ctx context.Context, env *Env, namespace string, result *report.Result) error {
	if err := env.Pool(ctx, namespace, 0); err != nil {
		return err
	}
	s := &steps{env: env, namespace: namespace, begin: time.Now(), calls: map[string][]measure.Call{}}
	err := rounds(ctx, env.Sized(40), s.pod(ctx), s.sandbox(ctx), s.pod(ctx), s.coldClaim(ctx))
	all := map[string]measure.Quantiles{}
	for _, step := range []string{stepPod, stepCreate, stepSuspend, stepResume, stepCold} {
		all[step] = result.AddCalls(step, s.calls[step])
	}
	beyond := func(step string) float64 { return report.Milliseconds(all[step].P50 - all[stepPod].P50) }
	result.AddRatio("create-beyond-pod-ms", "p50 of a Sandbox's create → Ready minus a bare Pod's, in milliseconds", beyond(stepCreate))
	result.AddRatio("cold-beyond-pod-ms", "p50 of a cold claim → Ready minus a bare Pod's, in milliseconds", beyond(stepCold))
	result.AddRatio("resume-beyond-pod-ms", "p50 of resume → Ready minus a bare Pod's, in milliseconds", beyond(stepResume))
	return err
}

func (s *steps) pod(ctx context.Context) func(int) error {
	pods := s.env.Kube.CoreV1().Pods(s.namespace)
	return func(int) error {
		name := fmt.Sprintf("pod-%d", len(s.calls[stepPod]))
		return s.time(ctx, stepPod, pods.Watch, name, showsPodReady, func() error {
			_, err := pods.Create(ctx, newPod(name), metav1.CreateOptions{})
			return err
		})
	}
}

func (s *steps) sandbox(ctx context.Context) func(int) error {
	sandboxes := s.env.Client.SandboxV1beta1().Sandboxes(s.namespace)
	return func(round int) error {
		name := fmt.Sprintf("sandbox-%d", round)
		err := s.time(ctx, stepCreate, sandboxes.Watch, name, showsSandbox(v1beta1.ConditionReady), func() error {
			_, err := sandboxes.Create(ctx, newSandbox(name), metav1.CreateOptions{})
			return err
		})
		if err != nil {
			return err
		}
		err = s.time(ctx, stepSuspend, sandboxes.Watch, name, showsSandbox(v1beta1.ConditionSuspended), func() error {
			_, err := sandboxes.Suspend(ctx, name, &v1beta1.SuspendOptions{}, metav1.CreateOptions{})
			return err
		})
		if err != nil {
			return err
		}
		return s.time(ctx, stepResume, sandboxes.Watch, name, showsSandbox(v1beta1.ConditionReady), func() error {
			_, err := sandboxes.Resume(ctx, name, &v1beta1.ResumeOptions{}, metav1.CreateOptions{})
			return err
		})
	}
}

func (s *steps) coldClaim(ctx context.Context) func(int) error {
	claims := s.env.Client.SandboxV1beta1().SandboxClaims(s.namespace)
	return func(round int) error {
		name := fmt.Sprintf("cold-%d", round)
		return s.time(ctx, stepCold, claims.Watch, name, showsClaimReady, func() error {
			_, err := claims.Create(ctx, newClaim(name), metav1.CreateOptions{})
			return err
		})
	}
}
