// SPDX-License-Identifier: Apache-2.0

// Command sandbox-apiserver serves the API group sandbox.agents.x-k8s.io behind
// the aggregation layer of a Kubernetes cluster, with its own etcd, and runs the
// controllers that make its Pods.
package main

import (
	"os"

	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/component-base/cli"

	"agents.x-k8s.io/sandbox-apiserver/cmd/sandbox-apiserver/app"
)

func main() {
	os.Exit(cli.Run(app.NewCommand(genericapiserver.SetupSignalContext())))
}
