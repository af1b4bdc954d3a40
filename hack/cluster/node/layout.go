// SPDX-License-Identifier: Apache-2.0

package node

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
)

// Name is the node's.
const Name = "real-0"

// Ports on the bridge's address, which is the node's own: nobody else can have them.
const (
	kubeletPort   = 10250
	proxyHealth   = 10256
	proxyMetrics  = 10249
	dnsPort       = 53
	clusterDomain = "cluster.local"
)

// layout is where things of a node are, and what they are called outside its directory.
type layout struct{ dir string }

// id tells nodes of clusters side by side apart. A network interface's name has 15 characters.
func (l layout) id() string {
	sum := sha256.Sum256([]byte(l.dir))
	return hex.EncodeToString(sum[:4])
}

func (l layout) bridge() string     { return "sbx" + l.id() }
func (l layout) cgroup() string     { return "sandbox-" + l.id() }
func (l layout) proxyTable() string { return "kube-proxy" }

func (l layout) state() string              { return filepath.Join(l.dir, "state.json") }
func (l layout) socket() string             { return filepath.Join(l.dir, "containerd.sock") }
func (l layout) containerdConfig() string   { return filepath.Join(l.dir, "containerd.toml") }
func (l layout) containerdRoot() string     { return filepath.Join(l.dir, "containerd") }
func (l layout) containerdState() string    { return filepath.Join(l.dir, "run") }
func (l layout) networks() string           { return filepath.Join(l.dir, "cni") }
func (l layout) addresses() string          { return filepath.Join(l.dir, "addresses") }
func (l layout) kubeletConfig() string      { return filepath.Join(l.dir, "kubelet.yaml") }
func (l layout) kubeletRoot() string        { return filepath.Join(l.dir, "kubelet") }
func (l layout) kubeletCredentials() string { return filepath.Join(l.dir, "credentials") }
func (l layout) kubeletKubeconfig() string {
	return filepath.Join(l.kubeletCredentials(), "kubeconfig")
}
func (l layout) podLogs() string        { return filepath.Join(l.dir, "pod-logs") }
func (l layout) resolvConf() string     { return filepath.Join(l.dir, "resolv.conf") }
func (l layout) proxyConfig() string    { return filepath.Join(l.dir, "kube-proxy.yaml") }
func (l layout) corefile() string       { return filepath.Join(l.dir, "Corefile") }
func (l layout) registries() string     { return filepath.Join(l.dir, "registries") }
func (l layout) crun() string           { return filepath.Join(l.dir, "crun.sh") }
func (l layout) images() string         { return filepath.Join(l.dir, "images") }
func (l layout) log(name string) string { return filepath.Join(l.dir, "logs", name+".log") }

// subnet is a network of 254 addresses; the first is the bridge's.
type subnet struct{ second, third byte }

func (s subnet) cidr() string    { return fmt.Sprintf("10.%d.%d.0/24", s.second, s.third) }
func (s subnet) gateway() string { return fmt.Sprintf("10.%d.%d.1", s.second, s.third) }
