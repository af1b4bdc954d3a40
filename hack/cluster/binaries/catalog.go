// SPDX-License-Identifier: Apache-2.0

package binaries

import "strings"

// KubernetesVersion is what the control plane is built from and reports as its version.
// It is the version of k8s.io/kubernetes in hack/tools/go.mod.
const KubernetesVersion = "v1.37.2"

// kubernetesReleased is that version's date: a fixed one, or no build would repeat another.
const kubernetesReleased = "2026-10-27T12:01:04Z"

// Names of the programs in bin/.
const (
	Etcd              = "etcd"
	KubeAPIServer     = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Kubectl           = "kubectl"
	Kwok              = "kwok"
	Kwokctl           = "kwokctl"
	// SandboxAPIServer is the server of this project.
	SandboxAPIServer = "sandbox-apiserver"
	// ClusterProgram is hack/cluster itself, which guards clusters of tests.
	ClusterProgram = "cluster"
)

// binary is one program in bin/.
type binary struct {
	name   string
	pkg    string   // import path, or path relative to module
	module string   // directory of the module, relative to the checkout
	flags  []string // of go build
}

// tools are the programs that change only with hack/tools. The quick ones come first,
// so that a failure of the machine's set-up shows before the long wait.
func tools() []binary {
	plain := []string{"-trimpath", "-ldflags", stripped}
	kubernetes := []string{"-trimpath", "-ldflags", kubernetesLDFlags(KubernetesVersion)}
	return []binary{
		{name: Etcd, pkg: "./etcd", module: toolsModule, flags: plain},
		{name: Kwok, pkg: "sigs.k8s.io/kwok/cmd/kwok", module: toolsModule, flags: plain},
		{name: Kwokctl, pkg: "sigs.k8s.io/kwok/cmd/kwokctl", module: toolsModule, flags: plain},
		{name: Kubectl, pkg: "k8s.io/kubernetes/cmd/kubectl", module: toolsModule, flags: kubernetes},
		{name: Scheduler, pkg: "k8s.io/kubernetes/cmd/kube-scheduler", module: toolsModule, flags: kubernetes},
		{name: ControllerManager, pkg: "k8s.io/kubernetes/cmd/kube-controller-manager", module: toolsModule, flags: kubernetes},
		{name: KubeAPIServer, pkg: "k8s.io/kubernetes/cmd/kube-apiserver", module: toolsModule, flags: kubernetes},
	}
}

// checkoutPrograms are those of the checkout itself, by name.
func checkoutPrograms() map[string]binary {
	// They run in containers, where there are no libraries.
	static := []string{"-trimpath", "-ldflags", stripped, "-tags", "netgo,osusergo"}
	programs := map[string]binary{}
	for _, b := range []binary{
		{name: SandboxAPIServer, pkg: "./cmd/sandbox-apiserver"},
		{name: ClusterProgram, pkg: "./hack/cluster"},
		{name: NodeAgent, pkg: "./hack/cluster/node/agent", flags: static},
		{name: NodePause, pkg: "./hack/cluster/node/pause", flags: static},
	} {
		b.module = "."
		programs[b.name] = b
	}
	return programs
}

const stripped = "-s -w"

// kubernetesLDFlags sets what Kubernetes' release scripts set: without it the version
// parses nowhere, and kwokctl and clients refuse to talk to the server.
func kubernetesLDFlags(version string) string {
	major, minor := majorMinor(version)
	flags := []string{stripped}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, variable := range []string{
			"gitVersion=" + version, "gitMajor=" + major, "gitMinor=" + minor,
			"gitCommit=k8s.io/kubernetes@" + version, "gitTreeState=clean", "buildDate=" + kubernetesReleased,
		} {
			flags = append(flags, "-X "+pkg+"."+variable)
		}
	}
	return strings.Join(flags, " ")
}

func majorMinor(version string) (major, minor string) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return parts[0], parts[1]
}
