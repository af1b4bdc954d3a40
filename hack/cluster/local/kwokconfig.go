// SPDX-License-Identifier: Apache-2.0

package local

import (
	"fmt"
	"strconv"

	"sigs.k8s.io/yaml"

	"agents.x-k8s.io/sandbox-apiserver/hack/cluster/binaries"
)

// Control plane components, as kwokctl names them.
const (
	componentEtcd              = "etcd"
	componentAPIServer         = "kube-apiserver"
	componentControllerManager = "kube-controller-manager"
	componentScheduler         = "kube-scheduler"
	componentKwok              = "kwok-controller"
)

// components in the order they are started in.
func components() []string {
	return []string{componentEtcd, componentAPIServer, componentControllerManager, componentScheduler, componentKwok}
}

// kwokPorts is how many ports kwokConfig wants.
const kwokPorts = 6

// kwokConfig is what kwokctl is asked for: real control plane processes on loopback
// with authorization and admission on. What kwokctl lacks is added as extra arguments:
// the flags by which an aggregated server recognizes kube-apiserver (kwokctl sets only
// the other half, the proxy's client certificate), and higher client limits, so that
// the control plane does not pace the tests.
func kwokConfig(root binaries.Root, paths layout, s *state) ([]byte, error) {
	ports := s.PlanePorts
	config := map[string]any{
		"apiVersion": "config.kwok.x-k8s.io/v1alpha1",
		"kind":       "KwokctlConfiguration",
		"options": map[string]any{
			"runtime":           "binary",
			"bindAddress":       "127.0.0.1",
			"securePort":        true,
			"kubeAuthorization": true,
			"kubeAdmission":     true,
			"kubeVersion":       binaries.KubernetesVersion,

			"etcdBinary":                  root.Bin(binaries.Etcd),
			"kubeApiserverBinary":         root.Bin(binaries.KubeAPIServer),
			"kubeControllerManagerBinary": root.Bin(binaries.ControllerManager),
			"kubeSchedulerBinary":         root.Bin(binaries.Scheduler),
			"kubectlBinary":               root.Bin(binaries.Kubectl),
			"kwokControllerBinary":        root.Bin(binaries.Kwok),

			"etcdPort":                  ports[0],
			"etcdPeerPort":              ports[1],
			"kubeApiserverPort":         ports[2],
			"kubeControllerManagerPort": ports[3],
			"kubeSchedulerPort":         ports[4],
			"kwokControllerPort":        ports[5],
		},
		"componentsPatches": []map[string]any{
			extraArgs(componentAPIServer, [][2]string{
				// Never dialled: a loopback address would be refused, and a real one may not exist.
				{"advertise-address", "192.0.2.1"},
				// Apart from what kwok gives to Pods, which is the default of this.
				{"service-cluster-ip-range", "10.96.0.0/16"},
				{"requestheader-client-ca-file", paths.clusterCA()},
				{"requestheader-allowed-names", "kwok-admin"},
				{"requestheader-username-headers", "X-Remote-User"},
				{"requestheader-uid-headers", "X-Remote-Uid"},
				{"requestheader-group-headers", "X-Remote-Group"},
				{"requestheader-extra-headers-prefix", "X-Remote-Extra-"},
			}),
			extraArgs(componentControllerManager, clientLimits(500)),
			extraArgs(componentScheduler, clientLimits(500)),
		},
	}
	if s.RealNode {
		addRealNode(config, paths)
	}
	out, err := yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encoding kwokctl's configuration: %w", err)
	}
	return out, nil
}

// addRealNode lets kwok keep to its own nodes, kube-controller-manager sign certificates of
// kubelets, and kube-apiserver reach them for logs and exec.
func addRealNode(config map[string]any, paths layout) {
	patches := config["componentsPatches"].([]map[string]any)
	config["componentsPatches"] = append(patches,
		extraArgs(componentAPIServer, [][2]string{
			{"kubelet-client-certificate", paths.pki("admin.crt")},
			{"kubelet-client-key", paths.pki("admin.key")},
			{"kubelet-preferred-address-types", "InternalIP"},
		}),
		extraArgs(componentControllerManager, [][2]string{
			{"cluster-signing-cert-file", paths.clusterCA()},
			{"cluster-signing-key-file", paths.pki("ca.key")},
		}),
		extraArgs(componentKwok, [][2]string{
			{"manage-all-nodes", "false"},
			{"manage-nodes-with-annotation-selector", "kwok.x-k8s.io/node=fake"},
		}))
}

func clientLimits(qps int) [][2]string {
	return [][2]string{{"kube-api-qps", strconv.Itoa(qps)}, {"kube-api-burst", strconv.Itoa(2 * qps)}}
}

func extraArgs(component string, args [][2]string) map[string]any {
	extra := make([]map[string]any, 0, len(args))
	for _, arg := range args {
		extra = append(extra, map[string]any{"key": arg[0], "value": arg[1]})
	}
	return map[string]any{"name": component, "extraArgs": extra}
}
