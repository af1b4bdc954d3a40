// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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

// applyExamples creates the examples that do not exist and waits until each has become
// what it asks for; claims come last, when pools are full. What the user has done to an
// existing one stays.
func applyExamples(ctx context.Context, cluster *local.Cluster, o upOptions) error {
	files, err := filepath.Glob(o.root.Join(examplesDirectory, "*.yaml"))
	if err != nil {
		return fmt.Errorf("listing the examples: %w", err)
	}
	others, claims := claimsLast(files)
	for _, files := range [][]string{others, claims} {
		for _, file := range files {
			_, err := cluster.Kubectl(ctx, "", "create", "--namespace", metav1.NamespaceDefault, "-f", file)
			if err != nil && !strings.Contains(err.Error(), "(AlreadyExists)") {
				return err
			}
		}
		if err := waitForExamples(ctx, cluster, files, o.progress); err != nil {
			return err
		}
	}
	return nil
}

// claimsLast goes by the names of the files.
func claimsLast(files []string) (others, claims []string) {
	for _, file := range files {
		if strings.HasSuffix(file, "claim.yaml") {
			claims = append(claims, file)
		} else {
			others = append(others, file)
		}
	}
	return others, claims
}

func waitForExamples(ctx context.Context, cluster *local.Cluster, files []string, progress io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, examplesTimeout)
	defer cancel()
	last := ""
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		raw, err := cluster.Kubectl(ctx, "", "get", "-o", "json", "--namespace", metav1.NamespaceDefault, "-f", strings.Join(files, ","))
		if err != nil {
			return false, err
		}
		reasons, err := unsettled(raw)
		if err != nil {
			return false, err
		}
		if now := strings.Join(reasons, "; "); now != last && now != "" {
			fmt.Fprintln(progress, "waiting for "+now)
			last = now
		}
		return len(reasons) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the examples (%s): %w", last, err)
	}
	return nil
}

// unsettled says of each object in a list of any kinds, or of a single one, why it is
// not yet what it asks for.
func unsettled(raw []byte) ([]string, error) {
	var objects struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(raw, &objects); err != nil {
		return nil, fmt.Errorf("decoding the examples: %w", err)
	}
	if objects.Items == nil {
		objects.Items = []json.RawMessage{raw}
	}
	var reasons []string
	for _, item := range objects.Items {
		var object example
		if err := json.Unmarshal(item, &object); err != nil {
			return nil, fmt.Errorf("decoding an example: %w", err)
		}
		if reason := object.unsettled(); reason != "" {
			reasons = append(reasons, reason)
		}
	}
	slices.Sort(reasons)
	return reasons, nil
}

// example is what all kinds have that settle.
type example struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		OperatingMode sandboxv1beta1.SandboxOperatingMode `json:"operatingMode"`
	} `json:"spec"`
	Status struct {
		Conditions []metav1.Condition `json:"conditions"`
	} `json:"status"`
}

// unsettled returns "" for a Sandbox that is up, suspended as asked, or ended, a pool
// that is full, and a claim that has its Sandbox.
func (e example) unsettled() string {
	wanted := map[string]string{
		"Sandbox":         sandboxv1beta1.ConditionReady,
		"SandboxWarmPool": sandboxv1beta1.ConditionAvailable,
		"SandboxClaim":    sandboxv1beta1.ConditionBound,
	}[e.Kind]
	if e.Spec.OperatingMode == sandboxv1beta1.SandboxSuspended {
		wanted = sandboxv1beta1.ConditionSuspended
	}
	conditions := e.Status.Conditions
	if wanted == "" || meta.IsStatusConditionTrue(conditions, wanted) || meta.IsStatusConditionTrue(conditions, sandboxv1beta1.ConditionFinished) {
		return ""
	}
	found := meta.FindStatusCondition(conditions, wanted)
	if found == nil {
		return fmt.Sprintf("%s %s: no condition %s yet", e.Kind, e.Metadata.Name, wanted)
	}
	return fmt.Sprintf("%s %s: %s is %s: %s: %s", e.Kind, e.Metadata.Name, wanted, found.Status, found.Reason, found.Message)
}
