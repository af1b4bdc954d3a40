// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/options"
	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd/snapshot"
)

// standardStream is the FILE that is standard output or input.
const standardStream = "-"

func newSnapshotCommand(ctx context.Context) *cobra.Command {
	cmd := &cobra.Command{Use: "snapshot", Short: "Back up and restore the etcd of sandbox-apiserver", Args: cobra.NoArgs}
	ownHelp(cmd)
	cmd.AddCommand(newSaveCommand(ctx), newRestoreCommand(), newStatusCommand())
	return cmd
}

// ownHelp is cobra's: a command would have its parent's, with the parent's flags.
func ownHelp(cmd *cobra.Command) {
	plain := &cobra.Command{}
	cmd.SetUsageFunc(plain.UsageFunc())
	cmd.SetHelpFunc(plain.HelpFunc())
	cmd.SilenceUsage = true
}

func newSaveCommand(ctx context.Context) *cobra.Command {
	o := &options.EtcdSource{}
	cmd := &cobra.Command{
		Use:   "save FILE",
		Short: "Save everything that has been acknowledged, while the server runs or not",
		Long: "save writes a snapshot to FILE, which must not exist, and reads it back. With - it goes to standard output; " +
			"check that one with snapshot status. It holds every object in full and is to be kept like a Secret.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withSource(ctx, o, func(ctx context.Context, endpoints []string, config *tls.Config) error {
				source := snapshot.Source{Endpoints: endpoints, TLS: config}
				if args[0] == standardStream {
					return snapshot.Stream(ctx, source, cmd.OutOrStdout())
				}
				status, err := snapshot.Save(ctx, source, args[0])
				return report(cmd.OutOrStdout(), "saved", status, err)
			})
		},
	}
	o.AddFlags(cmd.Flags(), "URLs of an external etcd, of which the first that answers is asked.")
	ownHelp(cmd)
	return cmd
}

func newRestoreCommand() *cobra.Command {
	o := options.NewSnapshotRestore()
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make the data of the embedded etcd, or of the first member of an etcd of several, from a snapshot",
		Long: "restore makes a data directory from FILE, or from standard input with -. It refuses a directory that holds data. The server sees that its " +
			"storage is not the one it had, and does not serve before an administrator has confirmed that with --confirm-storage-epoch.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := o.Target()
			if err != nil {
				return err
			}
			in := io.NopCloser(cmd.InOrStdin())
			if args[0] != standardStream {
				if in, err = os.Open(args[0]); err != nil {
					return fmt.Errorf("restoring a snapshot: %w", err)
				}
			}
			defer in.Close()
			status, err := snapshot.Restore(in, target)
			return report(cmd.OutOrStdout(), "restored", status, err)
		},
	}
	o.AddFlags(cmd.Flags())
	ownHelp(cmd)
	return cmd
}

func newStatusCommand() *cobra.Command {
	var storedAs string
	cmd := &cobra.Command{
		Use:   "status FILE",
		Short: "Check a snapshot and say what it holds",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := snapshot.Read(args[0])
			if err != nil || storedAs == "" {
				return report(cmd.OutOrStdout(), "checked", status, err)
			}
			counts, err := snapshot.StoredAs(args[0], storedAs)
			if err != nil {
				return err
			}
			for _, as := range slices.Sorted(maps.Keys(counts)) {
				fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", counts[as], as)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&storedAs, "stored-as", "",
		"Instead, count the values of the keys with this prefix by how they are stored: plain, or with which provider and key they are encrypted.")
	ownHelp(cmd)
	return cmd
}

func report(out io.Writer, done string, s snapshot.Status, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: %d keys at revision %d, %d bytes, of etcd %s, hash %08x\n", done, s.TotalKey, s.Revision, s.TotalSize, s.Version, s.Hash)
	return err
}
