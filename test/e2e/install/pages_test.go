// SPDX-License-Identifier: Apache-2.0

package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
)

// The pages whose commands are run, in this order.
const (
	installPage   = "install.md"
	uninstallPage = "uninstall.md"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```\n")

// commands are the blocks of a page that a shell can run.
func commands(t *testing.T, page string) []string {
	t.Helper()
	raw, err := os.ReadFile(checkout(t).Join("docs", "operations", page))
	require.NoError(t, err)
	var blocks []string
	for _, match := range shellBlock.FindAllStringSubmatch(string(raw), -1) {
		blocks = append(blocks, match[1])
	}
	require.NotEmpty(t, blocks, page)
	return blocks
}

// shell runs a block as somebody would who has unpacked a release in dir and is the
// administrator of the cluster. A warning of the cluster is as bad as an error.
func shell(t *testing.T, dir, script string) {
	t.Helper()
	t.Log("$ " + strings.TrimSpace(script))
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"PATH="+checkout(t).Bin("")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"KUBECONFIG="+cluster.Kubeconfig(), "KUBECACHEDIR="+filepath.Join(dir, "cache"), "KUBERC=off",
	)
	out, err := cmd.CombinedOutput()
	t.Log(string(out))
	require.NoError(t, err, script)
	assert.NotContains(t, string(out), "Warning:", script)
}

// unpack copies what a release has.
func unpack(t *testing.T, root binaries.Root) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(dir, "artifacts"), os.DirFS(root.Join("artifacts"))))
	return dir
}
