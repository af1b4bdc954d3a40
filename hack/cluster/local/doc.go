// SPDX-License-Identifier: Apache-2.0

// Package local runs a whole cluster on this machine: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, simulated nodes (kwok), and sandbox-apiserver
// behind an APIService. `make run` and the tests start their clusters with it; there is
// no second way.
//
//	cluster, err := local.Start(ctx, local.Options{Dir: dir})
//	...
//	client, err := versioned.NewForConfig(cluster.RESTConfig()) // through the aggregation layer
//	err = cluster.Server.Kill(ctx)    // SIGKILL
//	err = cluster.Server.WipeData()   // an empty etcd
//	err = cluster.Server.Start(ctx)   // returns when clients can use the API again
//	err = errors.Join(cluster.Stop(ctx), cluster.Remove())
//
// With Options.Replicas there are several servers on an etcd of their own. Clients of the
// cluster reach them through a balancer that does what a Service does: a new connection
// goes to one that is ready, an old one stays where it is. Cluster.Replicas has each, with
// a RESTConfig straight to it, to be killed and started one by one. With
// Options.EtcdMembers so has Cluster.EtcdMembers, and Server.CutEtcd cuts a replica off.
//
// Tests use the package localtest, which does the last line and shows logs on failure.
//
// What is real: the whole control plane with RBAC, admission, garbage collection and
// scheduling; the aggregation layer with a verified certificate; the server's identity,
// a ServiceAccount with exactly the rights of artifacts/base. What is not: containers. A
// scheduled Pod is Running and Ready with an IP a moment later and goes at once when
// deleted; claims of the default StorageClass get a volume. A claim of another class
// stays Pending.
//
// With Options.RealNode containers are real too: package node runs a kubelet, and kwok only
// provides volumes.
//
// Promises: everything is below Options.Dir, listens on loopback only, on ports chosen
// free; clusters in different directories run side by side. A process is only ever
// signalled when it is provably one of the cluster's own. Unless Detached, a cluster does not
// outlive the process that started it, killed or not.
//
// It needs Linux, for package process reads /proc.
package local
