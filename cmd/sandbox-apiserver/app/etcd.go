// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/term"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/etcdcerts"
	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app/options"
	"agents.x-k8s.io/sandbox-apiserver/pkg/embeddedetcd"
)

func newEtcdCommand(ctx context.Context) *cobra.Command {
	o := options.NewEtcd()
	cmd := &cobra.Command{
		Use:   "etcd",
		Short: "Run one member of the etcd that several replicas of sandbox-apiserver share",
		Long: "etcd runs one member of the highly available etcd of sandbox-apiserver. Members find each other by the names of a " +
			"StatefulSet and a headless Service, talk to each other and to clients with mutual TLS only, and found their cluster once " +
			"all of them are there. A member whose disk was lost joins again by itself as long as the others have a majority.",
		SilenceUsage: true,
		Args:         cobra.NoArgs,
		RunE:         func(*cobra.Command, []string) error { return runEtcd(ctx, o) },
	}
	withSections(cmd, o.Flags())
	return cmd
}

// withSections gives a command its own flags and its own help: that of its parent would be inherited.
func withSections(cmd *cobra.Command, sections cliflag.NamedFlagSets) {
	for _, section := range sections.FlagSets {
		cmd.Flags().AddFlagSet(section)
	}
	width, _, _ := term.TerminalSize(cmd.OutOrStdout())
	cliflag.SetUsageAndHelpFunc(cmd, sections, width)
}

func runEtcd(ctx context.Context, o *options.Etcd) error {
	described, err := o.Complete()
	if err != nil {
		return err
	}
	member, err := embeddedetcd.NewMember(described)
	if err != nil {
		return err
	}
	if !o.ManageCertificates {
		return member.Run(ctx)
	}
	_, client, err := clusterClient(o.Kubeconfig)
	if err != nil {
		return err
	}
	request, err := o.CertificateRequest()
	if err != nil {
		return err
	}
	keeper, err := etcdcerts.New(etcdcerts.Options{
		Client: client, Namespace: o.Namespace, Directory: o.CertificateDir, Request: request,
		Turn: func(ctx context.Context) { memberTurn(ctx, o.Ordinal(), member) },
	})
	if err != nil {
		return err
	}
	return keeper.Around(ctx, member.Run)
}

// memberTurn keeps members from ending at the same time: each has its minutes, and
// nobody ends while another one is away. But for longest only: when the next authority
// signs, a member that has not read it again trusts nobody any more.
func memberTurn(ctx context.Context, ordinal int, member *embeddedetcd.Member) {
	const each, poll, longest = 2 * time.Minute, 5 * time.Second, 30 * time.Minute
	select {
	case <-ctx.Done():
		return
	case <-time.After(time.Duration(ordinal) * each):
	}
	// An error only says that the wait is over.
	_ = wait.PollUntilContextTimeout(ctx, poll, longest, true, func(ctx context.Context) (bool, error) { return member.OthersServe(ctx), nil })
}
