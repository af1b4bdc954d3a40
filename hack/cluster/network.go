// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

func balanceCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "balance PORT ADDRESS...",
		Short:  "Pass connections to a port of this machine on to whichever server is ready",
		Hidden: true,
		Args:   cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var config net.ListenConfig
			listener, err := config.Listen(cmd.Context(), "tcp", net.JoinHostPort("127.0.0.1", args[0]))
			if err != nil {
				return fmt.Errorf("listening on port %s: %w", args[0], err)
			}
			endpoints := local.NewEndpoints(args[1:])
			go endpoints.Run(cmd.Context())
			return local.Balance(cmd.Context(), listener, endpoints.Ready)
		},
	}
}

func relayCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "relay FROM=TO...",
		Short:  "Pass connections to ports of this machine on to others, one to one",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pairs := make([][2]int, len(args))
			for i, arg := range args {
				if _, err := fmt.Sscanf(arg, "%d=%d", &pairs[i][0], &pairs[i][1]); err != nil {
					return fmt.Errorf("reading ports %q: %w", arg, err)
				}
			}
			return local.Relay(cmd.Context(), pairs)
		},
	}
}
