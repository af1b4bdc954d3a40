// SPDX-License-Identifier: Apache-2.0

// Command largest prints the ten largest files and functions that people wrote, as the budgets of test/architecture count
// them. Run it at the root of the repository: go run ./hack/largest
package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"agents.x-k8s.io/sandbox-apiserver/test/architecture"
)

// shown is how many rows each table has.
const shown = 10

type entry struct {
	lines int
	name  string
}

func main() {
	root, err := os.Getwd()
	if err != nil {
		fatal(err)
	}
	files, err := architecture.Load(root)
	if err != nil {
		fatal(err)
	}
	inFiles, inFunctions := measure(files)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	table(out, "files", inFiles)
	table(out, "functions", inFunctions)
	if err := out.Flush(); err != nil {
		fatal(err)
	}
}

func measure(files []*architecture.File) (inFiles, inFunctions []entry) {
	for _, file := range files {
		if file.Generated() || file.Foreign {
			continue
		}
		inFiles = append(inFiles, entry{file.Lines, file.Path})
		for _, function := range file.Functions() {
			inFunctions = append(inFunctions, entry{function.Lines, function.String()})
		}
	}
	return inFiles, inFunctions
}

func table(out *tabwriter.Writer, what string, entries []entry) {
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(b.lines, a.lines) })
	fmt.Fprintf(out, "lines\t  the largest %s (of %d)\n", what, len(entries))
	for _, e := range entries[:min(shown, len(entries))] {
		fmt.Fprintf(out, "%d\t  %s\n", e.lines, e.name)
	}
	fmt.Fprintln(out)
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "largest:", err)
	os.Exit(1)
}
