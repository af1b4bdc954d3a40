// SPDX-License-Identifier: Apache-2.0

// Package statefile keeps what one process must tell a later one in a file of JSON. Who
// writes it holds the cluster's lock: it never guards against two writers.
package statefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Read returns nil when there is no file.
func Read[T any](path string) (*T, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading a state: %w", err)
	}
	state := new(T)
	if err := json.Unmarshal(raw, state); err != nil {
		return nil, fmt.Errorf("reading the state in %s: %w", path, err)
	}
	return state, nil
}

// Write replaces the file in one step: a reader sees the old state or the new one.
func Write(path string, state any) error {
	raw, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state for %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing a state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replacing a state: %w", err)
	}
	return nil
}
