// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFindRoot(t *testing.T) {
	top := t.TempDir()
	deep := filepath.Join(top, "hack", "tools", "etcd")
	require.NoError(t, os.MkdirAll(deep, 0o755))
	write(t, filepath.Join(top, "go.mod"), "// a comment\nmodule "+modulePath+"\n")
	write(t, filepath.Join(top, "hack", "tools", "go.mod"), "module "+modulePath+"/hack/tools\n")

	root, err := FindRoot(deep)
	require.NoError(t, err)
	assert.Equal(t, Root(top), root, "a nested module is not the checkout")
	assert.Equal(t, filepath.Join(top, "bin", "kwok"), root.Bin(Kwok))

	_, err = FindRoot(t.TempDir())
	require.ErrorContains(t, err, "no checkout of "+modulePath)
}

func TestToolsModulePinsTheKubernetesVersion(t *testing.T) {
	root, err := FindRoot(".")
	require.NoError(t, err)
	goMod, err := os.ReadFile(root.Join(toolsModule, "go.mod"))
	require.NoError(t, err)
	assert.Regexp(t, `k8s\.io/kubernetes `+regexp.QuoteMeta(KubernetesVersion)+`( // indirect)?\n`, string(goMod))
}

func TestKubernetesLDFlags(t *testing.T) {
	flags := kubernetesLDFlags("v1.37.2")
	for _, want := range []string{
		"-X k8s.io/component-base/version.gitVersion=v1.37.2",
		"-X k8s.io/component-base/version.gitMajor=1",
		"-X k8s.io/client-go/pkg/version.gitMinor=37",
	} {
		assert.Contains(t, flags, want)
	}
}

func TestMissing(t *testing.T) {
	root := Root(t.TempDir())
	require.NoError(t, os.MkdirAll(root.Bin(""), 0o755))
	fresh, stale, gone, unbuilt := binary{name: "fresh"}, binary{name: "stale"}, binary{name: "gone"}, binary{name: "unbuilt"}
	digest := sha256.Sum256([]byte("go.sum"))
	want := map[string]string{}
	for _, b := range []binary{fresh, stale, gone, unbuilt} {
		want[b.name] = stamp(b, "go1", digest)
	}
	for _, b := range []binary{fresh, gone} {
		write(t, stampFile(root, b), want[b.name])
	}
	write(t, stampFile(root, stale), stamp(stale, "go0", digest))
	write(t, root.Bin("fresh"), "")
	write(t, root.Bin("stale"), "")

	got, err := missing(root, []binary{fresh, stale, gone, unbuilt}, want)
	require.NoError(t, err)
	assert.Equal(t, []binary{stale, gone, unbuilt}, got)
}

func TestStampTellsApart(t *testing.T) {
	digest := sha256.Sum256([]byte("a"))
	base := stamp(binary{name: "x", pkg: "p", flags: []string{"-s"}}, "go1", digest)
	for name, other := range map[string]string{
		"package": stamp(binary{name: "x", pkg: "q", flags: []string{"-s"}}, "go1", digest),
		"flags":   stamp(binary{name: "x", pkg: "p"}, "go1", digest),
		"go":      stamp(binary{name: "x", pkg: "p", flags: []string{"-s"}}, "go2", digest),
		"modules": stamp(binary{name: "x", pkg: "p", flags: []string{"-s"}}, "go1", sha256.Sum256([]byte("b"))),
	} {
		assert.NotEqual(t, base, other, name)
	}
}

func TestProgressLine(t *testing.T) {
	begin := time.Unix(1000, 0)
	p := &progress{name: KubeAPIServer, number: 3, of: 7, begin: begin}
	assert.Equal(t, "building kube-apiserver (3 of 7), 0s", p.line(begin))

	write := func(s string) {
		n, err := p.Write([]byte(s))
		require.NoError(t, err)
		require.Equal(t, len(s), n)
	}
	write("k8s.io/api/core/v1\nk8s.io/api/a")
	write("pps/v1\n# k8s.io/broken\nfile.go:3:1: undefined: x\n")
	assert.Equal(t, "building kube-apiserver (3 of 7), 1m40s, 2 packages compiled", p.line(begin.Add(100*time.Second)))
	assert.Equal(t, "# k8s.io/broken\nfile.go:3:1: undefined: x", strings.TrimSpace(p.failure()))
}

func TestReporterIsQuietAboutQuickBuilds(t *testing.T) {
	p := &progress{name: "x", number: 1, of: 1, begin: time.Now()}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	reporter{out: &out, quiet: time.Hour}.report(ended, p)
	assert.Empty(t, out.String())
}

func TestCopyStages(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	require.ErrorContains(t, copyStages(from, to), "has kwok moved them?")

	write(t, filepath.Join(from, "pod-ready.yaml"), "apiVersion: v1\nkind: Stage\n")
	write(t, filepath.Join(from, "kustomization.yaml"), "kind: Kustomization\n")
	require.NoError(t, copyStages(from, to))
	files, err := filepath.Glob(filepath.Join(to, "*"))
	require.NoError(t, err)
	assert.Equal(t, []string{filepath.Join(to, "pod-ready.yaml")}, files)
}

func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path)
	require.NoError(t, err)

	impatient, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	_, err = Lock(impatient, path)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	unlock()
	unlockAgain, err := Lock(t.Context(), path)
	require.NoError(t, err)
	unlockAgain()
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
}
