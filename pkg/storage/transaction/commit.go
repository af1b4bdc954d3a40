// SPDX-License-Identifier: Apache-2.0

package transaction

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/component-base/tracing"
)

// maxBytes bounds a request to etcd: its default --max-request-bytes, 1.5 MiB.
const maxBytes = 1536 << 10

// slowCommit is when a span is worth logging, as in the etcd3 store.
const slowCommit = 500 * time.Millisecond

// joinable says why w cannot share a transaction with the outer write o.
func (o write) joinable(w write) error {
	switch {
	case o.place.connection != w.place.connection:
		return fmt.Errorf("joining writes of %s and %s, which are in different etcd clusters: %w", o.place.resource, w.place.resource, errMisuse)
	case o.place.prefix == w.place.prefix:
		// Both would have one revision, and a watch resumed there would never
		// deliver the second.
		return fmt.Errorf("joining two writes of %s: %w", o.place.resource, errMisuse)
	}
	// Each key is in the request three times: compare, put and get.
	const framing = 1 << 10
	size := framing + 3*(len(o.key)+len(w.key)) + len(o.value) + len(w.value)
	if size > maxBytes {
		return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf(
			"the objects of %s (%d bytes) and %s (%d bytes) are written together and must together stay below %d bytes as stored; make one of them smaller",
			o.place.resource, len(o.value), w.place.resource, len(w.value), maxBytes))
	}
	return nil
}

// commit writes both objects if neither has changed. It answers the inner
// write; the outer one is answered by settle. There is no retry: after an error
// that may hide a success the join accepts no further write.
func (j *join) commit(ctx context.Context, inner write) (kubernetes.PutResponse, error) {
	outer := j.outer
	ctx, span := tracing.Start(ctx, "Commit joined write",
		attribute.String("outer", outer.key), attribute.String("inner", inner.key))
	defer span.End(slowCommit)
	start := time.Now()
	txn, err := outer.place.connection.client.KV.Txn(ctx).
		If(outer.unchanged(), inner.unchanged()).
		Then(outer.put(), inner.put()).
		Else(outer.get(), inner.get()).
		Commit()

	j.mu.Lock()
	defer j.mu.Unlock()
	result, response, err := j.judge(inner, txn, err)
	span.AddEvent("Transaction answered", attribute.String("result", string(result)))
	commitDuration.WithLabelValues(string(result)).Observe(time.Since(start).Seconds())
	return response, err
}

// judge takes the step from committing that etcd's answer asks for.
func (j *join) judge(inner write, txn *clientv3.TxnResponse, err error) (result, kubernetes.PutResponse, error) {
	switch {
	case err == nil && txn.Succeeded:
		// Even where the join has been given up for lost: now it is known.
		if j.phase != ended {
			j.phase, j.revision = committed, txn.Header.Revision
		}
		return resultCommitted, kubernetes.PutResponse{Succeeded: true, Revision: txn.Header.Revision}, nil
	case err != nil && !refused(err):
		if j.phase == committing {
			j.loseTrack(err.Error())
		}
		return resultUnknown, kubernetes.PutResponse{}, j.err
	}
	if j.phase == committing {
		j.phase = held
	}
	if _, ok := err.(apierrors.APIStatus); ok {
		// It leaves as it is: REST does not look behind another error.
		return resultError, kubernetes.PutResponse{}, err
	}
	if err != nil {
		return resultError, kubernetes.PutResponse{}, fmt.Errorf("committing joined write of %s and %s: %w", j.outer.place.resource, inner.place.resource, err)
	}
	if len(txn.Responses) != 2 {
		return resultError, kubernetes.PutResponse{}, fmt.Errorf("committing joined write: etcd answered %d reads instead of 2", len(txn.Responses))
	}
	if kv := read(txn.Responses[0]); revisionOf(kv) != j.outer.revision {
		j.lost = &kubernetes.PutResponse{KV: kv, Revision: txn.Header.Revision}
		return resultOuterConflict, kubernetes.PutResponse{}, errOuterLost
	}
	return resultInnerConflict, kubernetes.PutResponse{KV: read(txn.Responses[1]), Revision: txn.Header.Revision}, nil
}

// refused is true for errors with which etcd says that it has not written and
// will not. A lost connection, a timeout or a lost leader say no such thing.
func refused(err error) bool {
	code := status.Code(err)
	if etcdErr, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		code = etcdErr.Code()
	}
	switch code {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.Unimplemented, codes.PermissionDenied, codes.Unauthenticated,
		codes.NotFound, codes.FailedPrecondition:
		return true
	}
	return false
}

func read(r *etcdserverpb.ResponseOp) *mvccpb.KeyValue {
	if kvs := r.GetResponseRange().GetKvs(); len(kvs) == 1 {
		return kvs[0]
	}
	return nil
}

// revisionOf is the revision under which etcd compares: 0 for a missing key.
func revisionOf(kv *mvccpb.KeyValue) int64 {
	if kv == nil {
		return 0
	}
	return kv.ModRevision
}
