// SPDX-License-Identifier: Apache-2.0

// Package test holds the suites that span packages. This file applies the rules of test/architecture to the repository.
package test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"agents.x-k8s.io/sandbox-apiserver/test/architecture"
)

// exceptions may only be taken away: one that excepts nothing any more fails the test. Each needs a reason that says why
// the rule, not the code, is wrong at this place.
var exceptions = []architecture.Exception{}

func TestArchitecture(t *testing.T) {
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	files, err := architecture.Load(root)
	require.NoError(t, err)
	require.NotEmpty(t, files)

	findings := architecture.CheckFolders(folders(t, root))
	findings = append(findings, architecture.CheckPackages(files)...)
	for _, file := range files {
		findings = append(findings, architecture.CheckLicense(file)...)
		findings = append(findings, architecture.CheckImports(file)...)
		findings = append(findings, architecture.CheckBudgets(file)...)
	}

	left, bad := architecture.Except(findings, exceptions)
	for _, finding := range left {
		t.Error(finding)
	}
	for _, exception := range bad {
		t.Errorf("%s: delete this exception from %q, it excepts nothing or gives no reason", exception.Subject, exception.Rule)
	}
}

func folders(t *testing.T, root string) []string {
	t.Helper()
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names
}
