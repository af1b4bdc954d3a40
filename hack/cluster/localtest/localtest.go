// SPDX-License-Identifier: Apache-2.0

// Package localtest gives tests clusters of package local. A cluster made here ends with
// its test, or with the test process if that dies; when the test has failed the
// cluster's directory stays for a look at the logs, until the test runs again.
package localtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

// Start starts a cluster for one test and everything below it. Options.Dir may be left
// empty: it becomes .cluster/tests/NAME, with a name made of the test's binary and name.
func Start(tb testing.TB, opts local.Options) *local.Cluster {
	tb.Helper()
	cluster, err := start(tb.Context(), tb.Name(), opts)
	if err != nil {
		tb.Fatalf("starting a cluster: %v", err)
	}
	tb.Cleanup(func() {
		if err := end(cluster, tb.Failed()); err != nil {
			tb.Errorf("ending the cluster: %v", err)
		}
		if tb.Failed() {
			tb.Logf("the cluster's logs: %v", cluster.LogPaths())
		}
	})
	return cluster
}

// Main runs the tests of a package with one cluster that they share, for TestMain:
//
//	var cluster *local.Cluster
//
//	func TestMain(m *testing.M) {
//		os.Exit(localtest.Main(m, local.Options{}, func(c *local.Cluster) { cluster = c }))
//	}
//
// The exit code is that of the tests, or 1 when the cluster could not be started or ended.
func Main(m interface{ Run() int }, opts local.Options, use func(*local.Cluster)) int {
	if opts.Log == nil {
		opts.Log = os.Stderr
	}
	cluster, err := start(context.Background(), "main", opts)
	if err != nil {
		println("starting a cluster: " + err.Error())
		return 1
	}
	use(cluster)
	code := m.Run()
	if err := end(cluster, code != 0); err != nil {
		println("ending the cluster: " + err.Error())
		return max(code, 1)
	}
	return code
}

func start(ctx context.Context, name string, opts local.Options) (*local.Cluster, error) {
	if opts.Root == "" {
		root, err := binaries.FindRoot(".")
		if err != nil {
			return nil, err
		}
		opts.Root = root
	}
	if opts.Dir == "" {
		opts.Dir = opts.Root.Join(".cluster", "tests", directoryName(os.Args[0], name))
		// The last run failed, or it would have removed this; its guard has ended it.
		if err := removeLeftover(ctx, opts.Dir); err != nil {
			return nil, err
		}
	}
	return local.Start(ctx, opts)
}

func removeLeftover(ctx context.Context, dir string) error {
	leftover, err := local.Open(dir)
	if errors.Is(err, local.ErrNoCluster) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(leftover.Stop(ctx), leftover.Remove())
}

func end(cluster *local.Cluster, keep bool) error {
	ctx := context.Background() // the test's own has ended
	if err := cluster.Stop(ctx); err != nil || keep {
		return err
	}
	return cluster.Remove()
}

// directoryName is short, because unix sockets live below it.
func directoryName(testBinary, test string) string {
	const limit = 40
	name := regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(filepath.Base(testBinary)+"-"+test, "-")
	return name[max(0, len(name)-limit):]
}
