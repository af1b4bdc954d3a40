// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
)

// Sizes of what a claim's transaction puts, as protobuf: the claim and its Sandbox.
const (
	claimBytes   = 1100
	sandboxBytes = 2600
)

// createConfigMap is the floor of every claim: one plain write through kube-apiserver.
func (e *Env) createConfigMap(namespace, prefix string) measure.Operation {
	return func(ctx context.Context, i int) error {
		_, err := e.Kube.CoreV1().ConfigMaps(namespace).Create(ctx, newConfigMap(fmt.Sprintf("%s-%d", prefix, i)), metav1.CreateOptions{})
		return err
	}
}

// putTwo is etcd's own part of a claim: a transaction that compares and puts two keys.
func (e *Env) putTwo(prefix string) measure.Operation {
	claim, sandbox := strings.Repeat("c", claimBytes), strings.Repeat("s", sandboxBytes)
	return func(ctx context.Context, i int) error {
		one, two := fmt.Sprintf("/benchmark/%s/claims/%d", prefix, i), fmt.Sprintf("/benchmark/%s/sandboxes/%d", prefix, i)
		response, err := e.Etcd.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(one), "=", 0), clientv3.Compare(clientv3.ModRevision(two), "=", 0)).
			Then(clientv3.OpPut(one, claim), clientv3.OpPut(two, sandbox)).
			Else(clientv3.OpGet(one), clientv3.OpGet(two)).Commit()
		if err == nil && !response.Succeeded {
			err = fmt.Errorf("the keys %s and %s were there", one, two)
		}
		return err
	}
}

// cleanEtcd deletes what putTwo has put.
func (e *Env) cleanEtcd(ctx context.Context) error {
	_, err := e.Etcd.Delete(ctx, "/benchmark/", clientv3.WithPrefix())
	return err
}

// passThrough is a request that the aggregation layer proxies and that the server
// answers from memory: what the way through kube-apiserver costs.
func (e *Env) passThrough(ctx context.Context, _ int) error {
	return e.Rest().Get().AbsPath("/apis/sandbox.agents.x-k8s.io/v1beta1").Do(ctx).Error()
}
