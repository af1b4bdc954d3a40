// SPDX-License-Identifier: Apache-2.0

package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

// state is what one call must know of an earlier one, also of another process.
type state struct {
	// Complete is set once everything has been up. What is not complete is thrown away
	// and started again.
	Complete bool `json:"complete"`
	// ServerPort is where sandbox-apiserver listens, the same after every restart.
	ServerPort int `json:"serverPort"`
	// ServerDigest is that of the binary that was started.
	ServerDigest string `json:"serverDigest,omitempty"`
	// Server is the process, nil when it was stopped on purpose.
	Server *process.Record `json:"server,omitempty"`
}

// readState returns nil when the directory holds no cluster.
func readState(path string) (*state, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's state: %w", err)
	}
	s := &state{}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("reading the cluster's state in %s: %w", path, err)
	}
	return s, nil
}

// write replaces the file in one step: a reader sees the old state or the new one.
func (s *state) write(path string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the cluster's state: %w", err)
	}
	if err := os.WriteFile(path+".new", append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replacing the cluster's state: %w", err)
	}
	return nil
}
