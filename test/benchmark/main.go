// SPDX-License-Identifier: Apache-2.0

// Command benchmark measures sandbox-apiserver on a local cluster, each figure beside
// its floor. See docs/performance.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use: "benchmark", Short: "Measure sandbox-apiserver on a local cluster, each figure beside its floor",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(runCommand(), compareCommand(), listCommand())
	return root
}
