// SPDX-License-Identifier: Apache-2.0

package podtemplate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sync/singleflight"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
)

const (
	// validTTL is long: a valid Pod becomes invalid only when the cluster changes its version.
	validTTL = 10 * time.Minute
	// otherTTL keeps a cluster that refuses or is away from being asked by everyone,
	// and is short enough for somebody who repairs the cause and tries again.
	otherTTL     = 10 * time.Second
	cacheSize    = 4096
	askTimeout   = 5 * time.Second
	fieldManager = "sandbox-apiserver"
)

// verdict is what the cluster says about a Pod; the zero verdict is that it is
// valid. It is shared by many requests and never changed.
type verdict struct {
	// causes say what is invalid, in fields of the Pod.
	causes []metav1.StatusCause
	// doubt is a warning for the user: the Pod may be valid, but would not be made now.
	doubt string
}

func (v verdict) ttl() time.Duration {
	if len(v.causes) == 0 && v.doubt == "" {
		return validTTL
	}
	return otherTTL
}

// cluster asks kube-apiserver, once for equal Pods. Safe for concurrent use once
// its client is set.
type cluster struct {
	client   kubernetes.Interface
	timeout  time.Duration
	verdicts *cache.LRUExpireCache
	asking   singleflight.Group
}

func newCluster(clock clock.PassiveClock) *cluster {
	return &cluster{
		timeout:  askTimeout,
		verdicts: cache.NewLRUExpireCacheWithClock(cacheSize, clock),
	}
}

// ask waits for the answer at most as long as ctx lives. The question itself goes
// on without it: others may wait for the same answer.
func (c *cluster) ask(ctx context.Context, pod *corev1.Pod) verdict {
	key, err := keyOf(pod)
	if err != nil {
		return couldNotAsk(err)
	}
	answer := c.asking.DoChan(key, func() (any, error) {
		// Looking here and not before leaves no gap in which two could ask.
		if known, ok := c.verdicts.Get(key); ok {
			return known, nil
		}
		found := c.dryRun(context.WithoutCancel(ctx), pod)
		c.verdicts.Add(key, found, found.ttl())
		return found, nil
	})
	select {
	case result := <-answer:
		return result.Val.(verdict)
	case <-ctx.Done():
		return couldNotAsk(context.Cause(ctx))
	}
}

func (c *cluster) dryRun(ctx context.Context, pod *corev1.Pod) verdict {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	_, err := c.client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{
		DryRun:       []string{metav1.DryRunAll},
		FieldManager: fieldManager,
	})
	return judge(err)
}

// keyOf is of the whole Pod, its namespace included: policies and defaults differ.
// The protobuf form is the same for equal Pods, since it sorts map keys.
func keyOf(pod *corev1.Pod) (string, error) {
	data, err := pod.Marshal()
	if err != nil {
		return "", fmt.Errorf("encoding a Pod: %w", err)
	}
	sum := sha256.Sum256(data)
	return string(sum[:]), nil
}

// judge tells an invalid Pod from one that is not wanted at this time. A
// ValidatingAdmissionPolicy refuses with 422 Invalid as well, but names no field.
func judge(err error) verdict {
	var status apierrors.APIStatus
	if err == nil {
		return verdict{}
	}
	if !errors.As(err, &status) {
		return couldNotAsk(err)
	}
	if apierrors.IsInvalid(err) {
		if causes := fieldCauses(status.Status().Details); len(causes) > 0 {
			return verdict{causes: causes}
		}
	}
	switch status.Status().Code {
	case http.StatusForbidden, http.StatusUnprocessableEntity:
		return doubt("spec.podTemplate: the cluster would not make this Pod now", err)
	default:
		return couldNotAsk(err)
	}
}

func fieldCauses(details *metav1.StatusDetails) []metav1.StatusCause {
	if details == nil {
		return nil
	}
	var causes []metav1.StatusCause
	for _, cause := range details.Causes {
		if cause.Field != "" {
			causes = append(causes, cause)
		}
	}
	return causes
}

func couldNotAsk(err error) verdict {
	return doubt("spec.podTemplate: could not ask the cluster whether this is a valid Pod", err)
}

// doubt replaces what a warning header may not hold: control characters and,
// as strings.Map does by itself, bytes that are no UTF-8.
func doubt(what string, err error) verdict {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, what+": "+err.Error())
	return verdict{doubt: text}
}
