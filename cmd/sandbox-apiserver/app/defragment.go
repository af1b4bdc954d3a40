// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/options"
	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd"
	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd/space"
)

func newDefragmentCommand(ctx context.Context) *cobra.Command {
	o := &options.EtcdSource{}
	cmd := &cobra.Command{
		Use:   "defragment",
		Short: "Give back the space that etcd does not use, and let a full one be written again",
		Long: "defragment compacts etcd to the present, defragments its members one after the other, and disarms the alarm NOSPACE when all of them have room. " +
			"Objects stay as they are; watches that lag begin anew. A member answers nobody while it is defragmented, a minute for some GiB.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withSource(ctx, o, func(ctx context.Context, endpoints []string, config *tls.Config) error {
				return defragment(ctx, cmd.OutOrStdout(), endpoints, config)
			})
		},
	}
	o.AddFlags(cmd.Flags(), "URLs of all members of an external etcd: what is not named is not defragmented.")
	ownHelp(cmd)
	return cmd
}

func defragment(ctx context.Context, out io.Writer, endpoints []string, config *tls.Config) error {
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, TLS: config, Logger: zap.NewNop()})
	if err != nil {
		return fmt.Errorf("connecting to etcd at %v: %w", endpoints, err)
	}
	defer func() { _ = client.Close() }()
	disarmed, err := space.Free(ctx, client, func(m space.Member) {
		// Nobody to tell that nobody reads.
		_, _ = fmt.Fprintf(out, "defragmented %s: %d bytes, %d before, quota %d\n", m.Endpoint, m.After, m.Before, m.Quota)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "disarmed: %d alarms\n", disarmed)
	return err
}

// withSource runs work with the etcd that o names. The embedded one runs in the server,
// or here if the server does not run.
func withSource(ctx context.Context, o *options.EtcdSource, work func(ctx context.Context, endpoints []string, config *tls.Config) error) error {
	if len(o.Servers) > 0 {
		config, err := o.TLS()
		if err != nil {
			return err
		}
		return work(ctx, o.Servers, config)
	}
	dir := options.EtcdDataDir(o.DataDir)
	if !embeddedetcd.HasData(dir) {
		return fmt.Errorf("finding etcd: there is no embedded etcd in --data-dir %q; give --etcd-servers for an external one", o.DataDir)
	}
	member, err := embeddedetcd.New(embeddedetcd.Options{DataDir: dir})
	if err != nil {
		return err
	}
	inside := func(ctx context.Context) error { return work(ctx, []string{member.Endpoint()}, nil) }
	if err := withEtcd(ctx, member, inside); !errors.Is(err, embeddedetcd.ErrInUse) {
		return err
	}
	return inside(ctx)
}
