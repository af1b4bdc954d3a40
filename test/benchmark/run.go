// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/report"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/scenario"
)

// nodes take 110 Pods each: enough for all scenarios that do not say how many they need.
const nodes = 80

type runOptions struct {
	scenarios []string
	long      bool
	scale     float64
	out       string
	profile   bool
	strict    bool
}

func runCommand() *cobra.Command {
	o := runOptions{}
	cmd := &cobra.Command{Use: "run", Short: "Run scenarios and write a report", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return o.run(cmd.Context())
	}}
	cmd.Flags().StringSliceVar(&o.scenarios, "scenario", nil, "names of the scenarios to run (default: all that are not long)")
	cmd.Flags().BoolVar(&o.long, "long", false, "run the long scenarios too")
	cmd.Flags().Float64Var(&o.scale, "scale", 1, "shrink sizes and durations, to try the scenarios themselves")
	cmd.Flags().StringVar(&o.out, "out", "", "directory of the report (default _output/benchmark in the checkout)")
	cmd.Flags().BoolVar(&o.profile, "profile", false, "write CPU, allocation and block profiles of the server for each scenario")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "end with an error when a ratio misses its limit")
	return cmd
}

// selected are the scenarios to run, in the catalog's order.
func (o runOptions) selected() ([]scenario.Scenario, error) {
	known := map[string]bool{}
	var chosen []scenario.Scenario
	for _, s := range scenario.Catalog() {
		known[s.Name] = true
		if slices.Contains(o.scenarios, s.Name) || len(o.scenarios) == 0 && (o.long || !s.Long) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range o.scenarios {
		if !known[name] {
			return nil, fmt.Errorf("there is no scenario %q: see `benchmark list`", name)
		}
	}
	return chosen, nil
}

func (o runOptions) run(ctx context.Context) error {
	chosen, err := o.selected()
	if err != nil {
		return err
	}
	root, err := binaries.FindRoot(".")
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = root.Join("_output", "benchmark")
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("making the directory of the report: %w", err)
	}
	limits, err := report.ReadLimits(root.Join("test", "benchmark", "limits.yaml"))
	if err != nil {
		return err
	}
	run := &report.Run{Machine: thisMachine(ctx, root, o.scale)}
	session := &session{options: o, root: root}
	failed := []error{}
	for i, s := range chosen {
		fmt.Printf("%s  %d of %d: %s\n  %s\n", time.Now().Format(time.TimeOnly), i+1, len(chosen), s.Name, s.About)
		result, err := session.measure(ctx, s)
		if err != nil {
			failed = append(failed, err)
			fmt.Println("  error:", err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		run.Results = append(run.Results, result)
		// After each, so that an interrupted run has a report too.
		if err := errors.Join(report.Print(os.Stdout, result, limits), write(o.out, run, limits)); err != nil {
			return errors.Join(err, session.end(ctx))
		}
	}
	failed = append(failed, session.end(ctx))
	fmt.Println("report:", filepath.Join(o.out, "report.md"))
	if missed := limits.Missed(run); len(missed) > 0 {
		fmt.Println("missed:", strings.Join(missed, "; "))
		if o.strict {
			failed = append(failed, fmt.Errorf("%d ratios miss their limits", len(missed)))
		}
	}
	return errors.Join(failed...)
}

// session keeps a cluster from one scenario to the next while both want the same.
type session struct {
	options runOptions
	root    binaries.Root
	cluster *local.Cluster
	env     *scenario.Env
	// last is the scenario that ran on the cluster most recently.
	last scenario.Scenario
}

func (s *session) measure(ctx context.Context, wanted scenario.Scenario) (*report.Result, error) {
	if s.cluster == nil || s.last.Spoils || s.last.Replicas != wanted.Replicas || s.last.Nodes != wanted.Nodes {
		if err := errors.Join(s.end(ctx), s.start(ctx, wanted)); err != nil {
			return nil, err
		}
	}
	s.last = wanted
	if !s.options.profile {
		return wanted.Run(ctx, s.env)
	}
	stop := s.profile(ctx, wanted.Name)
	defer stop()
	return wanted.Run(ctx, s.env)
}

func (s *session) start(ctx context.Context, wanted scenario.Scenario) error {
	fmt.Println("  starting a cluster")
	dir := s.root.Join(".cluster", "tests", "bench")
	options := local.Options{Root: s.root, Dir: dir, Nodes: max(nodes, wanted.Nodes), Replicas: wanted.Replicas}
	cluster, err := local.Start(ctx, options)
	if err != nil {
		return err
	}
	s.cluster = cluster
	s.env, err = scenario.NewEnv(cluster, s.options.scale, os.Stdout)
	return err
}

// end also ends the cluster of an interrupted run.
func (s *session) end(ctx context.Context) error {
	if s.cluster == nil {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	cluster := s.cluster
	s.cluster = nil
	return errors.Join(s.env.Close(), cluster.Stop(ctx), cluster.Remove())
}

func write(dir string, run *report.Run, limits report.Limits) error {
	raw, err := json.MarshalIndent(run, "", " ")
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "report.json"), raw, 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	page, err := os.Create(filepath.Join(dir, "report.md"))
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	defer page.Close()
	return errors.Join(report.WriteMarkdown(page, run, limits), report.WritePlots(dir, run))
}
