// SPDX-License-Identifier: Apache-2.0

package operations

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
)

const (
	tested    = "```sh"
	inCluster = "```sh in-cluster"
	fence     = "```"
)

// page is a page of docs/operations: blocks by the section they are in.
type page map[string][]block

// block is one fenced block of commands.
type block struct{ mark, script string }

func pagesDir(t *testing.T) string {
	t.Helper()
	root, err := binaries.FindRoot(".")
	require.NoError(t, err)
	return root.Join("docs", "operations")
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(pagesDir(t), name))
	require.NoError(t, err)
	sections, section := page{}, ""
	var open *block
	for line := range strings.Lines(string(content)) {
		trimmed := strings.TrimRight(line, "\n")
		switch {
		case open != nil && trimmed == fence:
			sections[section] = append(sections[section], *open)
			open = nil
		case open != nil:
			open.script += line
		case strings.HasPrefix(trimmed, fence):
			open = &block{mark: trimmed}
		case strings.HasPrefix(trimmed, "## "):
			section = strings.TrimPrefix(trimmed, "## ")
		}
	}
	require.Nil(t, open, "%s: a block is not closed", name)
	return sections
}

// scripts are the commands of a section that a test runs.
func (p page) scripts(t *testing.T, section string) string {
	t.Helper()
	var all strings.Builder
	for _, b := range p[section] {
		if b.mark == tested {
			all.WriteString(b.script)
		}
	}
	require.NotEmpty(t, all.String(), "there is nothing to run in the section %q", section)
	return all.String()
}

// TestPagesAreScripts looks at every block, also those that are not run.
func TestPagesAreScripts(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(pagesDir(t), "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		for section, blocks := range readPage(t, filepath.Base(name)) {
			checkSyntax(t, name+", "+section, blocks)
		}
	}
}

func checkSyntax(t *testing.T, where string, blocks []block) {
	t.Helper()
	for _, b := range blocks {
		if b.mark != tested && b.mark != inCluster {
			continue
		}
		shell := exec.Command("bash", "-n")
		shell.Stdin = strings.NewReader(b.script)
		var complaints bytes.Buffer
		shell.Stderr = &complaints
		assert.NoError(t, shell.Run(), "%s: %s", where, &complaints)
		assert.Empty(t, complaints.String(), where)
	}
}
