// SPDX-License-Identifier: Apache-2.0

// Package controllers lists the loops that run on the leader.
//
// Each controller has a folder of one shape: controller.go wires informers to a worker.Worker, sync.go reads caches and
// calls the rest, plan.go and status.go decide (pure, with the time passed in), apply.go makes every write. They reach our
// own API and the cluster through clients alone, never etcd, and never import each other: what two of them must know is
// in the objects.
package controllers
