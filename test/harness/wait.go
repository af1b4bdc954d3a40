// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

const (
	// Timeout is for what a cluster does by itself. It is far more than it takes: parts
	// of the control plane look for new resources every 30 s only.
	Timeout = 90 * time.Second

	pollInterval = 100 * time.Millisecond
)

// Eventually polls until check finds nothing amiss, and fails tb with what it found last.
func Eventually(tb testing.TB, what string, check func() error) {
	tb.Helper()
	var last error
	err := wait.PollUntilContextTimeout(tb.Context(), pollInterval, Timeout, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		tb.Fatalf("waiting until %s: %v, last: %v", what, err, last)
	}
}

// Always polls for as long as it says and fails tb with the first thing that check finds amiss.
func Always(tb testing.TB, what string, period time.Duration, check func() error) {
	tb.Helper()
	err := wait.PollUntilContextTimeout(tb.Context(), pollInterval, period, true, func(context.Context) (bool, error) {
		return false, check()
	})
	if !wait.Interrupted(err) || tb.Context().Err() != nil {
		tb.Fatalf("watching for %v that %s: %v", period, what, err)
	}
}

// Eventually is the function of that name.
func (s *Space) Eventually(what string, check func() error) {
	s.T.Helper()
	Eventually(s.T, what, check)
}

// Always is the function of that name.
func (s *Space) Always(what string, period time.Duration, check func() error) {
	s.T.Helper()
	Always(s.T, what, period, check)
}

// WaitFor returns the Sandbox once check finds nothing amiss with it.
func (s *Space) WaitFor(name, what string, check func(*v1beta1.Sandbox) error) *v1beta1.Sandbox {
	s.T.Helper()
	var sandbox *v1beta1.Sandbox
	s.Eventually("Sandbox "+name+" "+what, func() error {
		var err error
		if sandbox, err = s.Sandboxes().Get(s.T.Context(), name, metav1.GetOptions{}); err != nil {
			return err
		}
		return check(sandbox)
	})
	return sandbox
}

// WaitConditions returns the Sandbox once it has these conditions at its current
// generation. "Ready=False/SandboxSuspended" is a type, a status and a reason;
// "Finished=" says that there is no such condition.
func (s *Space) WaitConditions(name string, want ...string) *v1beta1.Sandbox {
	s.T.Helper()
	return s.WaitFor(name, "has "+strings.Join(want, ", "), func(sandbox *v1beta1.Sandbox) error {
		return HasConditions(sandbox, want...)
	})
}

// WaitReady returns the Sandbox once it is Ready.
func (s *Space) WaitReady(name string) *v1beta1.Sandbox {
	s.T.Helper()
	return s.WaitConditions(name, "Ready=True/DependenciesReady", "Suspended=False/NotSuspended", "Finished=")
}

// WaitSuspended returns the Sandbox once its Pod has gone for a suspend.
func (s *Space) WaitSuspended(name string) *v1beta1.Sandbox {
	s.T.Helper()
	return s.WaitConditions(name, "Suspended=True/PodTerminated", "Ready=False/SandboxSuspended")
}

// HasConditions says which of the conditions a Sandbox lacks. WaitConditions says how they are written.
func HasConditions(sandbox *v1beta1.Sandbox, want ...string) error {
	var errs []error
	for _, text := range want {
		kind, value, _ := strings.Cut(text, "=")
		condition := meta.FindStatusCondition(sandbox.Status.Conditions, kind)
		switch {
		case value == "" && condition == nil:
		case value == "":
			errs = append(errs, fmt.Errorf("there is a condition %s=%s/%s: %s", kind, condition.Status, condition.Reason, condition.Message))
		case condition == nil:
			errs = append(errs, fmt.Errorf("there is no condition %s", kind))
		case string(condition.Status)+"/"+condition.Reason != value:
			errs = append(errs, fmt.Errorf("%s=%s/%s, not %s: %s", kind, condition.Status, condition.Reason, value, condition.Message))
		case condition.ObservedGeneration != sandbox.Generation:
			errs = append(errs, fmt.Errorf("%s is about generation %d, not %d", kind, condition.ObservedGeneration, sandbox.Generation))
		}
	}
	return errors.Join(errs...)
}

// WaitGone waits until get answers 404.
func (s *Space) WaitGone(what string, get func(context.Context) error) {
	s.T.Helper()
	s.Eventually(what+" is gone", func() error { return Gone(get(s.T.Context())) })
}

// Gone turns the error of a get around: not found is what is wanted.
func Gone(err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err == nil:
		return errors.New("it exists")
	default:
		return err
	}
}

// GetSandbox is for WaitGone and Gone.
func (s *Space) GetSandbox(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Sandboxes().Get(ctx, name, metav1.GetOptions{})
		return err
	}
}

// GetPod is for WaitGone and Gone.
func (s *Space) GetPod(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Pods().Get(ctx, name, metav1.GetOptions{})
		return err
	}
}

// GetDisk is for WaitGone and Gone.
func (s *Space) GetDisk(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Disks().Get(ctx, name, metav1.GetOptions{})
		return err
	}
}

// GetService is for WaitGone and Gone.
func (s *Space) GetService(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.Services().Get(ctx, name, metav1.GetOptions{})
		return err
	}
}
