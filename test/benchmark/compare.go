// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/report"
	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/scenario"
)

func compareCommand() *cobra.Command {
	return &cobra.Command{
		Use: "compare OLD NEW", Short: "Set two reports (report.json) side by side", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			before, err := readRun(args[0])
			if err != nil {
				return err
			}
			after, err := readRun(args[1])
			if err != nil {
				return err
			}
			return report.WriteComparison(os.Stdout, before, after)
		},
	}
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the scenarios", Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			for _, s := range scenario.Catalog() {
				fmt.Printf("%-16s %s\n", s.Name, s.About)
			}
		},
	}
}

func readRun(path string) (*report.Run, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a report: %w", err)
	}
	run := &report.Run{}
	if err := json.Unmarshal(raw, run); err != nil {
		return nil, fmt.Errorf("reading the report %s: %w", path, err)
	}
	return run, nil
}
