// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"os"
)

const dumpedLogLines = 60

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
		s.T.Logf("kubectl %v in namespace %s:\n%s", args, s.Name, out)
	}
	path := s.Cluster.Server.LogPath()
	raw, err := os.ReadFile(path)
	if err != nil {
		s.T.Logf("reading the server's log: %v", err)
		return
	}
	s.T.Logf("the end of %s:\n%s", path, lastLines(raw, dumpedLogLines))
}
