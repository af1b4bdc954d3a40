// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/local"
)

const (
	examplesDirectory = "artifacts/examples"
	examplesTimeout   = 2 * time.Minute
)

type upOptions struct {
	root     binaries.Root
	dir      string
	nodes    int       // simulated
	realNode bool      // instead
	progress io.Writer // what is being done
	out      io.Writer // the result
}

func up(ctx context.Context, o upOptions) error {
	cluster, err := local.Start(ctx, local.Options{
		Root:     o.root,
		Dir:      o.dir,
		Nodes:    o.nodes,
		RealNode: o.realNode,
		Detached: true,
		Log:      o.progress,
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(o.progress, "applying", examplesDirectory)
	if err := applyExamples(ctx, cluster, o); err != nil {
		return err
	}
	sandboxes, err := cluster.Kubectl(ctx, "", "get", "sandboxes")
	if err != nil {
		return err
	}
	claims, err := cluster.Kubectl(ctx, "", "get", "sandboxclaims")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.out, "%s\n%s\n%s", sandboxes, claims, nextSteps(cluster.Kubeconfig(), o.root.Bin(binaries.Kubectl)))
	return err
}

// nextSteps are three lines to paste, each working as it stands once the first is done.
func nextSteps(kubeconfig, kubectl string) string {
	return fmt.Sprintf(`export KUBECONFIG=%[1]s
echo '{}' | %[2]s create --raw /apis/sandbox.agents.x-k8s.io/v1beta1/namespaces/default/sandboxes/dev/suspend -f -
%[2]s explain sandbox.spec.podTemplate.spec.containers
`, kubeconfig, kubectl)
}
