// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"os"
)

const (
	dumpedLogLines     = 60
	dumpedKubectlLines = 1000
)

// dump logs what somebody who looks into the failure would ask kubectl for.
func (s *Space) dump(ctx context.Context) {
	s.T.Helper()
	for _, args := range [][]string{
		{"get", "sandboxes", "-o", "yaml"},
		{"get", "pods,persistentvolumeclaims,services", "-o", "wide", "--show-labels"},
		{"get", "events", "--sort-by", ".lastTimestamp"},
	} {
		out, err := s.Cluster.Kubectl(ctx, "", append(args, "--namespace", s.Name)...)
		if err != nil {
			s.T.Logf("looking into namespace %s: %v", s.Name, err)
			continue
		}
		s.T.Logf("kubectl %v in namespace %s:\n%s", args, s.Name, firstLines(out, dumpedKubectlLines))
	}
	for _, server := range s.Cluster.Replicas() {
		raw, err := os.ReadFile(server.LogPath())
		if err != nil {
			s.T.Logf("reading the server's log: %v", err)
			continue
		}
		s.T.Logf("the end of %s:\n%s", server.LogPath(), lastLines(raw, dumpedLogLines))
	}
}
