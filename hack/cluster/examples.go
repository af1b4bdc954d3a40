// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	sandboxv1beta1 "agents.x-k8s.io/sandbox-apiserver/pkg/apis/sandbox/v1beta1"
)

const pollInterval = 500 * time.Millisecond

// applyExamples creates the examples that do not exist and waits until each Sandbox has
// become what it asks for. What the user has done to an existing one stays.
func applyExamples(ctx context.Context, cluster *local.Cluster, o upOptions) error {
	files, err := filepath.Glob(o.root.Join(examplesDirectory, "*.yaml"))
	if err != nil {
		return fmt.Errorf("listing the examples: %w", err)
	}
	for _, file := range files {
		_, err := cluster.Kubectl(ctx, "", "create", "--namespace", metav1.NamespaceDefault, "-f", file)
		if err != nil && !strings.Contains(err.Error(), "(AlreadyExists)") {
			return err
		}
	}
	return waitForExamples(ctx, cluster, o)
}

func waitForExamples(ctx context.Context, cluster *local.Cluster, o upOptions) error {
	ctx, cancel := context.WithTimeout(ctx, examplesTimeout)
	defer cancel()
	last := ""
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		raw, err := cluster.Kubectl(ctx, "", "get", "-o", "json", "--namespace", metav1.NamespaceDefault, "-f", o.root.Join(examplesDirectory))
		if err != nil {
			return false, err
		}
		reasons, err := unsettled(raw)
		if err != nil {
			return false, err
		}
		if now := strings.Join(reasons, "; "); now != last && now != "" {
			fmt.Fprintln(o.progress, "waiting for "+now)
			last = now
		}
		return len(reasons) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the examples (%s): %w", last, err)
	}
	return nil
}

// unsettled says of each Sandbox in a list of any kinds why it is not yet what it asks for.
func unsettled(list []byte) ([]string, error) {
	var objects struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(list, &objects); err != nil {
		return nil, fmt.Errorf("decoding the examples: %w", err)
	}
	var reasons []string
	for _, item := range objects.Items {
		sandbox := sandboxv1beta1.Sandbox{}
		kind := metav1.TypeMeta{}
		if err := json.Unmarshal(item, &kind); err != nil {
			return nil, fmt.Errorf("decoding an example: %w", err)
		}
		if kind.Kind != "Sandbox" {
			continue
		}
		if err := json.Unmarshal(item, &sandbox); err != nil {
			return nil, fmt.Errorf("decoding a Sandbox: %w", err)
		}
		if reason := unsettledSandbox(&sandbox); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	slices.Sort(reasons)
	return reasons, nil
}

// unsettledSandbox returns "" for one that is up, suspended as asked, or ended.
func unsettledSandbox(sandbox *sandboxv1beta1.Sandbox) string {
	wanted := sandboxv1beta1.ConditionReady
	if sandbox.Spec.OperatingMode == sandboxv1beta1.SandboxSuspended {
		wanted = sandboxv1beta1.ConditionSuspended
	}
	conditions := sandbox.Status.Conditions
	if meta.IsStatusConditionTrue(conditions, wanted) || meta.IsStatusConditionTrue(conditions, sandboxv1beta1.ConditionFinished) {
		return ""
	}
	found := meta.FindStatusCondition(conditions, wanted)
	if found == nil {
		return fmt.Sprintf("Sandbox %s: no condition %s yet", sandbox.Name, wanted)
	}
	return fmt.Sprintf("Sandbox %s: %s is %s: %s: %s", sandbox.Name, wanted, found.Status, found.Reason, found.Message)
}
