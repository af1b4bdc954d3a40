// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
	"agents.x-k8s.io/sandbox-apiserver/pkg/controllers/render"
)

// apply carries out the plan in the order in which things depend on each other
// and stops at the first error. What it makes is added to what was seen.
func (c *Controller) apply(ctx context.Context, run *pass) error {
	for _, step := range []func(context.Context, *pass) error{
		c.applyShared, c.applyOwn, c.applyDisks, c.applyPod, c.applySandbox,
	} {
		if err := step(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) applyShared(ctx context.Context, run *pass) error {
	var err error
	run.seen.shared, err = c.applyService(ctx, run, run.plan.shared, run.seen.shared, render.SharedService(run.sandbox.Namespace))
	return err
}

func (c *Controller) applyOwn(ctx context.Context, run *pass) error {
	wanted := render.Service(run.sandbox, anchor(run.seen))
	var err error
	run.seen.own, err = c.applyService(ctx, run, run.plan.own, run.seen.own, wanted)
	return err
}

// anchor is the UID of the shared Service as it is now, after applyShared.
func anchor(seen observed) types.UID {
	if seen.shared == nil {
		return ""
	}
	return seen.shared.UID
}

// applyService returns the Service as it is afterwards.
func (c *Controller) applyService(ctx context.Context, run *pass, what action, current, wanted *corev1.Service) (*corev1.Service, error) {
	services := c.Kube.CoreV1().Services(wanted.Namespace)
	switch what {
	case create:
		created, err := services.Create(ctx, wanted, metav1.CreateOptions{})
		if err != nil {
			return current, c.creating(run, "Service", wanted.Name, err)
		}
		return created, nil
	case repair:
		patch, err := preconditioned(serviceDrift(current, wanted), current)
		if err != nil {
			return current, err
		}
		patched, err := services.Patch(ctx, current.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			return current, unlessGone("repairing Service", current.Name, err)
		}
		c.noteTakenBack(run, current)
		return patched, nil
	case retain:
		patch, err := handedOver(current, run.sandbox)
		if err != nil {
			return current, err
		}
		_, err = services.Patch(ctx, current.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		return current, unlessGone("retaining Service", current.Name, err)
	case remove:
		err := services.Delete(ctx, current.Name, metav1.DeleteOptions{Preconditions: preconditionsFor(current)})
		if err = unlessGone("deleting Service", current.Name, err); err != nil {
			return current, err
		}
		return nil, nil
	default:
		return current, nil
	}
}

func (c *Controller) applyDisks(ctx context.Context, run *pass) error {
	disks := c.Kube.CoreV1().PersistentVolumeClaims(run.sandbox.Namespace)
	for _, step := range run.plan.disks {
		wanted := render.PersistentVolumeClaim(run.sandbox, &run.sandbox.Spec.VolumeClaimTemplates[step.template])
		current := run.seen.disks[wanted.Name]
		var err error
		switch step.action {
		case create:
			var created *corev1.PersistentVolumeClaim
			created, err = disks.Create(ctx, wanted, metav1.CreateOptions{})
			if err = c.creating(run, "PersistentVolumeClaim", wanted.Name, err); err == nil {
				run.seen.disks[wanted.Name] = created
			}
		case takeBack:
			// A disk that has gone meanwhile must stop the Pod: not unlessGone.
			if err = c.labelDisk(ctx, current, string(run.sandbox.UID)); err != nil {
				err = fmt.Errorf("taking back PersistentVolumeClaim %q: %w", current.Name, err)
			}
		case retain:
			err = unlessGone("retaining PersistentVolumeClaim", current.Name, c.labelDisk(ctx, current, v1beta1.RetainedUID))
		case remove:
			// With the resourceVersion: somebody may just have marked the disk as retained.
			err = disks.Delete(ctx, current.Name, metav1.DeleteOptions{
				Preconditions: &metav1.Preconditions{UID: &current.UID, ResourceVersion: &current.ResourceVersion},
			})
			err = unlessGone("deleting PersistentVolumeClaim", current.Name, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) labelDisk(ctx context.Context, disk *corev1.PersistentVolumeClaim, uid string) error {
	patch, err := relabelled(disk, uid)
	if err != nil {
		return err
	}
	_, err = c.Kube.CoreV1().PersistentVolumeClaims(disk.Namespace).Patch(ctx, disk.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (c *Controller) applyPod(ctx context.Context, run *pass) error {
	switch run.plan.pod {
	case create:
		return c.createPod(ctx, run)
	case repair:
		return c.repairPod(ctx, run)
	case retain:
		return c.retainPod(ctx, run)
	case remove, kill:
		return c.deletePod(ctx, run)
	default:
		return nil
	}
}

func (c *Controller) createPod(ctx context.Context, run *pass) error {
	if anchor(run.seen) == "" {
		return errors.New("creating the Pod: the shared Service, its anchor, is missing")
	}
	wanted := render.Pod(run.sandbox, anchor(run.seen))
	created, err := c.Kube.CoreV1().Pods(wanted.Namespace).Create(ctx, wanted, metav1.CreateOptions{})
	if err := c.creating(run, "Pod", wanted.Name, err); err != nil {
		return err
	}
	run.seen.pod = created
	podCreations.Inc()
	c.record(run.sandbox, created, event{corev1.EventTypeNormal, reasonCreated, "CreatePod", fmt.Sprintf("created Pod %q", wanted.Name)})
	return nil
}

func (c *Controller) repairPod(ctx context.Context, run *pass) error {
	pod := run.seen.pod
	patch, err := preconditioned(map[string]any{"metadata": podDrift(pod, run.sandbox, run.seen.shared)}, pod)
	if err != nil {
		return err
	}
	patched, err := c.Kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return unlessGone("labelling Pod", pod.Name, err)
	}
	c.noteTakenBack(run, pod)
	run.seen.pod = patched
	return nil
}

func (c *Controller) retainPod(ctx context.Context, run *pass) error {
	pod := run.seen.pod
	patch, err := handedOver(pod, run.sandbox)
	if err != nil {
		return err
	}
	_, err = c.Kube.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return unlessGone("retaining Pod", pod.Name, err)
}

func (c *Controller) deletePod(ctx context.Context, run *pass) error {
	pod := run.seen.pod
	options := metav1.DeleteOptions{Preconditions: preconditionsFor(pod)}
	if run.plan.pod == kill {
		options.GracePeriodSeconds = ptr.To[int64](0)
	}
	err := c.Kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, options)
	if err != nil {
		return unlessGone("deleting Pod", pod.Name, err)
	}
	podDeletions.WithLabelValues(run.plan.why).Inc()
	c.record(run.sandbox, pod, event{corev1.EventTypeNormal, "SuccessfulDelete", "DeletePod", fmt.Sprintf("deleted Pod %q: %s", pod.Name, run.plan.why)})
	return nil
}

func (c *Controller) applySandbox(ctx context.Context, run *pass) error {
	sandbox := run.sandbox
	sandboxes := c.Sandboxes.Sandboxes(sandbox.Namespace)
	switch run.plan.sandbox {
	case remove:
		err := sandboxes.Delete(ctx, sandbox.Name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &sandbox.UID, ResourceVersion: &sandbox.ResourceVersion},
		})
		if err = unlessGone("deleting Sandbox", sandbox.Name, err); err == nil {
			c.record(sandbox, nil, expiredEvent())
		}
		return err
	case release:
		finalizers := slices.DeleteFunc(slices.Clone(sandbox.Finalizers), func(f string) bool { return f == v1beta1.SandboxFinalizer })
		patch, err := preconditioned(map[string]any{"metadata": map[string]any{"finalizers": finalizers}}, sandbox)
		if err != nil {
			return err
		}
		_, err = sandboxes.Patch(ctx, sandbox.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		return unlessGone("releasing Sandbox", sandbox.Name, err)
	default:
		return nil
	}
}

// creating wraps the error of a create, and tells the user of one that is not a
// race and not the end of the namespace.
func (c *Controller) creating(run *pass, kind, name string, err error) error {
	if err == nil {
		return nil
	}
	if !apierrors.IsAlreadyExists(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		c.record(run.sandbox, nil, event{
			corev1.EventTypeWarning, "FailedCreate", "Create" + kind, fmt.Sprintf("creating %s %q: %s", kind, name, errorMessage(err)),
		})
	}
	return fmt.Errorf("creating %s %q: %w", kind, name, err)
}

// unlessGone wraps an error, but for the one that there is nothing left to write to.
func unlessGone(doing, name string, err error) error {
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("%s %q: %w", doing, name, err)
}
