// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	kwokModule = "sigs.k8s.io/kwok"
	stagesDir  = "kwok-stages"
)

// stageFolders are the behaviours kwok comes with that simulated nodes and Pods need,
// relative to its module: nodes become and stay Ready, Pods run with an IP and go when
// deleted.
func stageFolders() []string {
	return []string{
		"kustomize/stage/node/fast",
		"kustomize/stage/node/heartbeat-with-lease",
		"kustomize/stage/pod/fast",
	}
}

// Stages returns the files that tell kwok how simulated objects behave. They are there
// after Ensure.
func (r Root) Stages() ([]string, error) {
	files, err := filepath.Glob(r.Join(binDirectory, stagesDir, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("listing bin/%s: %w", stagesDir, err)
	}
	return files, nil
}

// ensureStages copies kwok's own stage files out of its module, so that a cluster can
// be started when the module cache has been cleaned.
func ensureStages(ctx context.Context, root Root, kwokStamp string) error {
	want := kwokStamp + strings.Join(stageFolders(), "\n")
	stampPath := root.Join(binDirectory, stagesDir, ".stamp")
	got, err := os.ReadFile(stampPath)
	if err == nil && string(got) == want {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading what bin/%s was made from: %w", stagesDir, err)
	}
	module, err := moduleDir(ctx, root, kwokModule)
	if err != nil {
		return err
	}
	to := root.Join(binDirectory, stagesDir)
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("clearing bin/%s: %w", stagesDir, err)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("making bin/%s: %w", stagesDir, err)
	}
	for _, folder := range stageFolders() {
		if err := copyStages(filepath.Join(module, folder), to); err != nil {
			return err
		}
	}
	return os.WriteFile(stampPath, []byte(want), 0o644)
}

func copyStages(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "*.yaml"))
	if err != nil {
		return fmt.Errorf("listing %s: %w", from, err)
	}
	found := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading kwok's stages: %w", err)
		}
		if !strings.Contains(string(content), "kind: Stage\n") {
			continue
		}
		found = true
		if err := os.WriteFile(filepath.Join(to, filepath.Base(file)), content, 0o644); err != nil {
			return fmt.Errorf("copying kwok's stages: %w", err)
		}
	}
	if !found {
		return fmt.Errorf("no stages in %s: has kwok moved them?", from)
	}
	return nil
}

func moduleDir(ctx context.Context, root Root, module string) (string, error) {
	if _, err := goCommand(ctx, root, toolsModule, "mod", "download", module).Output(); err != nil {
		return "", fmt.Errorf("downloading %s: %w", module, explain(err))
	}
	dir, err := goCommand(ctx, root, toolsModule, "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("locating %s: %w", module, explain(err))
	}
	return strings.TrimSpace(string(dir)), nil
}
