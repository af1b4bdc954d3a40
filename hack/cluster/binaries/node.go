// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"context"
	"io"
)

// Names of the programs in bin/ that only a real node needs.
const (
	Kubelet        = "kubelet"
	KubeProxy      = "kube-proxy"
	Containerd     = "containerd"
	ContainerdShim = "containerd-shim-runc-v2"
	Ctr            = "ctr"
	CoreDNS        = "coredns"
	// NodeImages writes container images.
	NodeImages = "node-images"
	// NodeAgent and NodePause are what images are made of.
	NodeAgent = "node-agent"
	NodePause = "node-pause"
)

const nodeModule = toolsModule + "/node"

// nodeTools are the programs of a real node that change only with hack/tools.
func nodeTools() []binary {
	const containerd = "github.com/containerd/containerd/v2/cmd/"
	plain := []string{"-trimpath", "-ldflags", stripped}
	kubernetes := []string{"-trimpath", "-ldflags", kubernetesLDFlags(KubernetesVersion)}
	return []binary{
		{name: NodeImages, pkg: "./images", module: nodeModule, flags: plain},
		{name: Containerd, pkg: containerd + Containerd, module: nodeModule, flags: plain},
		{name: ContainerdShim, pkg: containerd + ContainerdShim, module: nodeModule, flags: plain},
		{name: Ctr, pkg: containerd + Ctr, module: nodeModule, flags: plain},
		{name: CoreDNS, pkg: "./coredns", module: nodeModule, flags: plain},
		{name: KubeProxy, pkg: "k8s.io/kubernetes/cmd/" + KubeProxy, module: toolsModule, flags: kubernetes},
		{name: Kubelet, pkg: "k8s.io/kubernetes/cmd/" + Kubelet, module: toolsModule, flags: kubernetes},
	}
}

// EnsureNode builds what a real node needs and is missing in bin/, as Ensure does for a cluster.
func EnsureNode(ctx context.Context, root Root, out io.Writer) error {
	unlock, err := Lock(ctx, root.Bin(".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := ensureTools(ctx, root, out, nodeTools()); err != nil {
		return err
	}
	return buildCheckout(ctx, root, out, []string{NodeAgent, NodePause})
}
