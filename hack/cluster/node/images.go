// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
)

// The images that a node has; nothing else can run on it.
const (
	// AgentImage runs the HTTP server of hack/cluster/node/agent, and has busybox.
	AgentImage = "sandbox.local/agent:1"
	// BusyboxImage is what the examples run: Debian's busybox under the name they use.
	BusyboxImage = "busybox:1.37"
	// PauseImage holds the namespaces of Pods.
	PauseImage = "sandbox.local/pause:1"
)

const (
	busybox = "/bin/busybox"
	// applets are the names busybox has in images.
	applets = "cat,chmod,cut,date,dd,df,echo,env,false,free,grep,head,hostname,httpd,id,ip,kill,ln,ls,mkdir,mount,mv,nc," +
		"netstat,nslookup,ping,ps,pwd,rm,sed,sh,sleep,sort,stat,sync,tail,tee,test,top,touch,tr,true,uname,vi,wc,wget,xargs"
)

// image is one to be built.
type image struct {
	name       string
	entrypoint string
	files      map[string]string // by their name in /bin
}

func (n *Node) wantedImages() []image {
	return []image{
		{name: PauseImage, entrypoint: "/bin/pause", files: map[string]string{"pause": n.root.Bin(binaries.NodePause)}},
		{name: AgentImage, entrypoint: "/bin/agent", files: map[string]string{"agent": n.root.Bin(binaries.NodeAgent), "busybox": busybox}},
		{name: BusyboxImage, files: map[string]string{"busybox": busybox}},
	}
}

// importImages builds the images and hands them to containerd.
func (n *Node) importImages(ctx context.Context) error {
	for _, image := range n.wantedImages() {
		archive := filepath.Join(n.paths.images(), strings.NewReplacer("/", "-", ":", "-").Replace(image.name)+".tar")
		args := []string{"-name", image.name, "-entrypoint", image.entrypoint, "-o", archive}
		if _, ok := image.files["busybox"]; ok {
			args = append(args, "-links", applets)
		}
		for name, path := range image.files {
			args = append(args, name+"="+path)
		}
		if err := command(ctx, n.root.Bin(binaries.NodeImages), args...); err != nil {
			return fmt.Errorf("building image %s: %w", image.name, err)
		}
		if err := command(ctx, n.root.Bin(binaries.Ctr), n.ctr("images", "import", archive)...); err != nil {
			return fmt.Errorf("importing image %s: %w", image.name, err)
		}
	}
	return nil
}

func (n *Node) ctr(args ...string) []string {
	return append([]string{"--address", n.paths.socket(), "--namespace", "k8s.io"}, args...)
}
