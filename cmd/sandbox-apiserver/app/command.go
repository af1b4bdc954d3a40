// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"

	"github.com/spf13/cobra"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	logsapi "k8s.io/component-base/logs/api/v1"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/options"
)

// NewCommand returns the command; it runs until ctx ends.
func NewCommand(ctx context.Context) *cobra.Command {
	o := options.New()
	cmd := &cobra.Command{
		Use:   "sandbox-apiserver",
		Short: "Serve Sandboxes as an aggregated Kubernetes API",
		Long: "sandbox-apiserver serves the API group sandbox.agents.x-k8s.io behind the aggregation layer of a cluster, " +
			"keeps it in an etcd of its own, and runs the controllers that make the Pods of its Sandboxes.\n\n" +
			"sandbox-apiserver etcd --help: one member of an etcd that several replicas share\n" +
			"sandbox-apiserver snapshot --help: backup and restore\n" +
			"sandbox-apiserver defragment --help: when etcd is full",
		SilenceUsage: true,
		Args:         cobra.NoArgs,
		Version:      currentVersion(),
		RunE:         func(*cobra.Command, []string) error { return start(ctx, o) },
	}
	cmd.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	sections := o.Flags()
	sections.FlagSet("global").Bool("version", false, "Print the version and end.")
	withSections(cmd, sections)
	cmd.AddCommand(newEtcdCommand(ctx))
	cmd.AddCommand(newSnapshotCommand(ctx))
	cmd.AddCommand(newDefragmentCommand(ctx))
	return cmd
}

func start(ctx context.Context, o *options.Options) error {
	if err := o.Globals.Set(); err != nil {
		return err
	}
	if err := logsapi.ValidateAndApply(o.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return err
	}
	completed, err := o.Complete()
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return utilerrors.NewAggregate(errs)
	}
	return Run(ctx, completed)
}
