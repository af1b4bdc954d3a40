// SPDX-License-Identifier: Apache-2.0

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
)

// state is what another process must know to take the node back. It is written before the
// first thing that has to be.
type state struct {
	Second byte `json:"second"` // of the subnet
	Third  byte `json:"third"`
	// Proxy says that kube-proxy's table on this machine is the node's.
	Proxy bool `json:"proxy"`
	// Kernel are the settings as they were.
	Kernel map[string]string `json:"kernel"`
	// Processes that were started and not stopped on purpose, by name.
	Processes map[string]process.Record `json:"processes"`
}

func (s *state) subnet() subnet { return subnet{second: s.Second, third: s.Third} }

// readState returns nil when there is none.
func readState(path string) (*state, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the node's state: %w", err)
	}
	s := &state{}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("reading the node's state in %s: %w", path, err)
	}
	if s.Processes == nil {
		s.Processes = map[string]process.Record{}
	}
	return s, nil
}

// write replaces the file in one step.
func (s *state) write(path string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the node's state: %w", err)
	}
	if err := os.WriteFile(path+".new", append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the node's state: %w", err)
	}
	return os.Rename(path+".new", path)
}
