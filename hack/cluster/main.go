// SPDX-License-Identifier: Apache-2.0

// Command cluster starts, shows and ends the local cluster of `make run`. It lives in
// .cluster/ of the checkout, unless --dir says otherwise.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/node"
)

// What --node may be.
const (
	realNode       = "real"
	simulatedNodes = "simulated"
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
		Use:           "cluster",
		Short:         "A local cluster with sandbox-apiserver: a real control plane, simulated nodes",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	dir := root.PersistentFlags().String("dir", "", "where everything of the cluster lives (default .cluster in the checkout)")
	root.AddCommand(buildCommand(), upCommand(dir), statusCommand(dir), downCommand(dir), guardCommand(), balanceCommand(), relayCommand())
	return root
}

func buildCommand() *cobra.Command {
	withNode := false
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build what the cluster needs and is missing in bin/",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := binaries.FindRoot(".")
			if err != nil {
				return err
			}
			if err := binaries.Ensure(cmd.Context(), root, cmd.ErrOrStderr()); err != nil {
				return err
			}
			if withNode {
				if err := provideNode(cmd.Context(), root, cmd.ErrOrStderr()); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "everything a cluster needs is in", root.Bin(""))
			return err
		},
	}
	cmd.Flags().BoolVar(&withNode, "with-node", withNode, "also install and build what a real node needs, where this machine can run one")
	return cmd
}

// provideNode builds nothing where there can be no node: whoever then starts one is told why.
func provideNode(ctx context.Context, root binaries.Root, progress io.Writer) error {
	if obstacles := node.Obstacles(); len(obstacles) > 0 {
		fmt.Fprintln(progress, "building nothing for a real node:", strings.Join(obstacles, "; "))
		return nil
	}
	return node.Provide(ctx, root, progress)
}

func upCommand(dir *string) *cobra.Command {
	nodes, kind := local.DefaultNodes, simulatedNodes
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, or complete the one that is there, and apply artifacts/examples",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := binaries.FindRoot(".")
			if err != nil {
				return err
			}
			options := upOptions{root: root, dir: orDefault(*dir, root), nodes: nodes, progress: cmd.ErrOrStderr(), out: cmd.OutOrStdout()}
			switch kind {
			case realNode:
				options.realNode, options.nodes = true, 0
			case simulatedNodes:
			default:
				return fmt.Errorf("--node=%s: must be %s or %s", kind, realNode, simulatedNodes)
			}
			return up(cmd.Context(), options)
		},
	}
	cmd.Flags().IntVar(&nodes, "nodes", nodes, "simulated nodes; each takes 110 Pods")
	cmd.Flags().StringVar(&kind, "node", kind, "real: containers on a real node of this machine, which needs root; simulated: neither")
	return cmd
}

func statusCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show what runs; fails when something that should run does not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster, err := open(*dir)
			if err != nil {
				return err
			}
			return printStatus(cmd.OutOrStdout(), cluster)
		},
	}
}

func downCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End exactly what up has started, and remove its data",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return down(cmd.Context(), *dir, cmd.OutOrStdout()) },
	}
}

func guardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "guard DIRECTORY",
		Short:  "End the cluster of a directory when standard input closes",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return local.Guard(cmd.Context(), args[0], cmd.InOrStdin())
		},
	}
}

func open(dir string) (*local.Cluster, error) {
	root, err := binaries.FindRoot(".")
	if err != nil {
		return nil, err
	}
	return local.Open(orDefault(dir, root))
}

func orDefault(dir string, root binaries.Root) string {
	if dir == "" {
		return root.Join(".cluster")
	}
	return dir
}
