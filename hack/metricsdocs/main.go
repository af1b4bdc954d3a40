// SPDX-License-Identifier: Apache-2.0

// Command metricsdocs prints docs/metrics.md: every metric of our own, as the source defines it. Run it at the root of the
// repository; hack/update-codegen.sh does.
package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
)

const preamble = `# Metrics

Made from the code by ` + "`hack/update-codegen.sh`" + `; do not edit. What the libraries report beside these, and what to look at, is in
[operations/observability.md](operations/observability.md).

Stability is that of Kubernetes: a BETA metric keeps its name and labels, or is announced as deprecated for a release before it goes;
an ALPHA metric may change at any time, and the alerts and the dashboard of artifacts/monitoring with it.

| name | type | labels | stability | meaning |
|---|---|---|---|---|
`

func main() {
	found, err := collect("pkg", "cmd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	write(os.Stdout, found)
}

func write(out io.Writer, metrics []metric) {
	fmt.Fprint(out, preamble)
	for _, m := range metrics {
		help := strings.ReplaceAll(m.help, "|", `\|`)
		fmt.Fprintf(out, "| `%s` | %s | %s | %s | %s |\n", m.name, m.kind, cmp.Or(strings.Join(m.labels, ", "), "–"), m.stability, help)
	}
}
