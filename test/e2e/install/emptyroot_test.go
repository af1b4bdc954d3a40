// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// buildStatic is `make static`, once.
var buildStatic = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("make", "-C", "../../..", "static")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile("../../../_output/sandbox-apiserver")
})

func readStatic(t *testing.T) []byte {
	t.Helper()
	binary, err := buildStatic()
	require.NoError(t, err, "make static")
	return binary
}

// TestBinaryAlone is the image without an image: the binary needs no loader, no library,
// no user database and no shell, and runs as the user of the Dockerfile.
func TestBinaryAlone(t *testing.T) {
	binary, err := elf.NewFile(bytes.NewReader(readStatic(t)))
	require.NoError(t, err)
	libraries, err := binary.ImportedLibraries()
	require.NoError(t, err)
	assert.Empty(t, libraries)
	for _, program := range binary.Progs {
		assert.NotEqual(t, elf.PT_INTERP, program.Type, "it asks for a loader")
	}

	dockerfile, err := os.ReadFile("../../../Dockerfile")
	require.NoError(t, err)
	assert.Contains(t, string(dockerfile), "\nUSER 65532:65532\n", "the user of the Pods")
	assert.Contains(t, string(dockerfile), "\nENTRYPOINT [\"/sandbox-apiserver\"]\n")

	needRoot(t)
	server := workloads(artifacts(t, "single"))["sandbox-apiserver"]
	root := newContainer(t, pod{name: "alone", spec: server.template.Spec})
	var output bytes.Buffer
	require.NoError(t, root.command(&output, "--version").Run(), output.String())
	assert.Regexp(t, `^sandbox-apiserver v\d+\.\d+\.\d+\n$`, output.String(), "the Makefile stamps the release")
	assert.Empty(t, root.unexpected())
}
