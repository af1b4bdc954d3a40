// SPDX-License-Identifier: Apache-2.0

package local

import (
	"path/filepath"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
)

// kwokCluster is what kwokctl calls the cluster: one each working directory.
const kwokCluster = "sandbox"

// testsDir is where clusters of tests live below the directory of `make run`'s cluster;
// Remove leaves it alone.
const testsDir = "tests"

// layout is where things are in a cluster's directory.
type layout struct{ dir string }

func (l layout) state() string      { return filepath.Join(l.dir, "state.json") }
func (l layout) lock() string       { return filepath.Join(l.dir, "lock") }
func (l layout) kubeconfig() string { return filepath.Join(l.dir, "kubeconfig") }

// What kwokctl keeps: its working directory, and the one of the cluster in it.
func (l layout) kwokctlConfig() string { return filepath.Join(l.dir, "kwokctl.yaml") }
func (l layout) volumeStages() string  { return filepath.Join(l.dir, "volume-stages.yaml") }
func (l layout) disks() string         { return filepath.Join(l.dir, "disks") }
func (l layout) node() string          { return filepath.Join(l.dir, "node") }
func (l layout) kwok() string          { return filepath.Join(l.dir, "kwok") }
func (l layout) kwokCluster() string   { return filepath.Join(l.kwok(), "clusters", kwokCluster) }
func (l layout) clusterCA() string     { return l.pki("ca.crt") }
func (l layout) pki(name string) string {
	return filepath.Join(l.kwokCluster(), "pki", name)
}
func (l layout) pidFile(component string) string {
	return filepath.Join(l.kwokCluster(), "pids", component+".pid")
}
func (l layout) program(component string) string {
	return filepath.Join(l.kwokCluster(), "bin", component)
}

// componentLog is the log of a control plane component.
func (l layout) componentLog(component string) string {
	return filepath.Join(l.kwokCluster(), "logs", component+".log")
}

// log is that of a process which is not part of the control plane.
func (l layout) log(name string) string   { return filepath.Join(l.dir, "logs", name+".log") }
func (l layout) serverData() string       { return filepath.Join(l.dir, "sandbox-apiserver") }
func (l layout) sharedEtcdData() string   { return filepath.Join(l.dir, sharedEtcd) }
func (l layout) credentials() string      { return filepath.Join(l.dir, "credentials") }
func (l layout) serverKubeconfig() string { return filepath.Join(l.credentials(), "kubeconfig") }
func (l layout) authority() string        { return filepath.Join(l.credentials(), "ca.crt") }
func (l layout) kubectlCache() string     { return filepath.Join(l.dir, "kubectl-cache") }

// servingFiles are a replica's certificate, key and authority, in PEM.
type servingFiles struct{ directory, cert, key, authority string }

func (l layout) serving(server string) servingFiles {
	directory := l.credentials()
	if server != binaries.SandboxAPIServer {
		directory = filepath.Join(directory, server)
	}
	return servingFiles{
		directory: directory,
		cert:      filepath.Join(directory, "tls.crt"),
		key:       filepath.Join(directory, "tls.key"),
		authority: filepath.Join(directory, "ca.crt"),
	}
}
