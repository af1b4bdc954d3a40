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
	place, of := member.Place()
	keeper, err := etcdcerts.New(etcdcerts.Options{
		Client: client, Namespace: o.Namespace, Directory: o.CertificateDir, Request: request,
		Turn: func(ctx context.Context) { memberTurn(ctx, place, of, member) },
	})
	if err != nil {
		return err
	}
	return keeper.Around(ctx, member.Run)
}

// Timings of the turns of members. All turns of three together are a tenth of the hour in
// which every process starts again, see etcdcerts.Spread.
const (
	// turnEach is what a member has for itself: it ends in the first half, and has the second
	// to come back.
	turnEach = 2 * time.Minute
	turnPoll = 5 * time.Second
	// turnLongest is how long a member waits for the others: when the next authority signs, a
	// member that has not read it again trusts nobody any more.
	turnLongest = 30 * time.Minute
)

// memberTurn keeps members from ending at the same time. Each has its minutes on the clock,
// which no other one has, and ends in them when all others serve.
func memberTurn(ctx context.Context, place, of int, member *embeddedetcd.Member) {
	begun := time.Now()
	for ctx.Err() == nil {
		begin, end := turn(place, of, time.Now())
		if !pause(ctx, time.Until(begin)) || end.Sub(begun) > turnLongest {
			return
		}
		within, cancel := context.WithDeadline(ctx, end)
		err := wait.PollUntilContextCancel(within, turnPoll, true, func(ctx context.Context) (bool, error) { return member.OthersServe(ctx), nil })
		cancel()
		if err == nil {
			return
		}
	}
}

// turn is when the member at a place may end: now, if its minutes have begun and are not
// half over, or the next time. All clocks must agree to half a turn.
func turn(place, of int, now time.Time) (begin, end time.Time) {
	round := time.Duration(of) * turnEach
	begin = now.Truncate(round).Add(time.Duration(place) * turnEach)
	if !now.Before(begin.Add(turnEach / 2)) {
		begin = begin.Add(round)
	}
	return begin, begin.Add(turnEach / 2)
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
