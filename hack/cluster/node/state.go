// SPDX-License-Identifier: Apache-2.0

package node

import (
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/process"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/statefile"
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
	s, err := statefile.Read[state](path)
	if s != nil && s.Processes == nil {
		s.Processes = map[string]process.Record{}
	}
	return s, err
}

func (s *state) write(path string) error { return statefile.Write(path, s) }
