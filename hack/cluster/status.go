// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

// printStatus shows each process with its log, and returns an error naming the missing ones.
func printStatus(out io.Writer, cluster *local.Cluster) error {
	processes, logs := cluster.Processes(), cluster.LogPaths()
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "PROCESS\tPID\tLOG")
	for _, name := range slices.Sorted(maps.Keys(logs)) {
		pid := "-"
		if record, ok := processes[name]; ok {
			pid = fmt.Sprint(record.PID)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", name, pid, logs[name])
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("printing the status: %w", err)
	}
	fmt.Fprintf(out, "\nexport KUBECONFIG=%s\n", cluster.Kubeconfig())
	if missing := cluster.Missing(); len(missing) > 0 {
		return fmt.Errorf("not running: %s: `make run` starts them again", strings.Join(missing, ", "))
	}
	return nil
}

// down waits for an `up` that is at work: what that has not started yet cannot be ended.
func down(ctx context.Context, dir string, out io.Writer) error {
	cluster, err := open(dir)
	if errors.Is(err, local.ErrNoCluster) {
		_, err = fmt.Fprintln(out, "no cluster is running")
		return err
	}
	if err != nil {
		return err
	}
	unlock, err := local.Lock(ctx, cluster.Dir())
	if err != nil {
		return err
	}
	defer unlock()
	if cluster, err = open(dir); err != nil {
		return err
	}
	ended := len(cluster.Processes())
	if err := cluster.Stop(ctx); err != nil {
		return err
	}
	if err := cluster.Remove(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "ended %d processes and removed %s\n", ended, cluster.Dir())
	return err
}
