// SPDX-License-Identifier: Apache-2.0

package localtest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

// doomedVariable makes this test binary start a cluster in the directory it names, say
// so, and wait to be killed.
const doomedVariable = "LOCALTEST_BE_DOOMED"

func runDoomed(dir string) error {
	if _, err := local.Start(context.Background(), local.Options{Dir: dir, WithoutServer: true, Nodes: 1, Log: os.Stderr}); err != nil {
		return err
	}
	if _, err := os.Stdout.WriteString("started\n"); err != nil {
		return err
	}
	select {}
}

// TestLocalClusterDiesWithItsProcess kills a process that has a cluster: no deferred
// function and no clean-up of a test runs then.
func TestLocalClusterDiesWithItsProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a control plane, and builds it if need be")
	}
	root, err := binaries.FindRoot(".")
	require.NoError(t, err)
	dir := root.Join(".cluster", "tests", "doomed")
	program, err := os.Executable()
	require.NoError(t, err)
	doomed := exec.Command(program)
	doomed.Env = append(os.Environ(), doomedVariable+"="+dir)
	doomed.Stderr = t.Output()
	stdout, err := doomed.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, doomed.Start())
	t.Cleanup(func() { _ = doomed.Process.Kill() })

	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	cluster, err := local.Open(dir)
	require.NoError(t, err)
	processes := cluster.Processes()
	require.Len(t, processes, 5)

	require.NoError(t, doomed.Process.Kill())
	_ = doomed.Wait()
	for name, record := range processes {
		assert.Eventually(t, func() bool { return !record.Alive() }, timeout, pollInterval, name)
	}
	// The guard may still be writing what it has done.
	assert.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, timeout, pollInterval)
}
