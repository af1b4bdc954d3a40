// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"fmt"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/node"
)

// bringUpNodes starts the real node, or makes simulated ones, and returns how many there will be.
func (c *Cluster) bringUpNodes(ctx context.Context, simulated int) (int, error) {
	if !c.state.RealNode {
		return simulated, c.plane.scaleNodes(ctx, simulated)
	}
	started, err := node.Start(ctx, node.Options{
		Root:       c.root,
		Dir:        c.paths.node(),
		Kubeconfig: c.Kubeconfig(),
		ClusterCA:  c.paths.clusterCA(),
		Log:        c.log,
	})
	if err != nil {
		return 0, err
	}
	c.Node = started
	return 1, nil
}

// openNode finds the node that an earlier Start has left.
func (c *Cluster) openNode() error {
	found, err := node.Open(c.root, c.paths.node())
	c.Node = found
	return err
}

// endNode also ends one that this Cluster has not started.
func (c *Cluster) endNode(ctx context.Context) error {
	if c.Node == nil {
		if err := c.openNode(); err != nil || c.Node == nil {
			return err
		}
	}
	ended := c.Node
	c.Node = nil
	if err := ended.Stop(ctx); err != nil {
		return fmt.Errorf("ending the cluster's node: %w", err)
	}
	return nil
}
