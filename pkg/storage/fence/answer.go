// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// headed are all answers of etcd but those of streams of ranges and snapshots.
type headed interface {
	GetHeader() *pb.ResponseHeader
}

// headerOf is nil where an answer has none: some calls of maintenance, and all but the
// last message of a stream of ranges.
func headerOf(answer any) *pb.ResponseHeader {
	switch a := answer.(type) {
	case *pb.RangeStreamResponse:
		return a.GetRangeResponse().GetHeader()
	case headed:
		return a.GetHeader()
	}
	return nil
}

// isLatest says whether the answer to a request has a revision that cannot be behind
// one that was known before the request was sent: the answers to linearizable reads, and
// to what is written to etcd's log. All else a member answers by itself, and it may lag:
// serializable reads, leases, its status, and the first messages of a watch.
func isLatest(request any) bool {
	switch r := request.(type) {
	case *pb.RangeRequest:
		return !r.GetSerializable()
	case *pb.TxnRequest:
		// One that does nothing is answered from what a member has, as are stale reads.
		return len(r.GetSuccess())+len(r.GetFailure()) > 0 && !slices.ContainsFunc(slices.Concat(r.GetSuccess(), r.GetFailure()), isLocal)
	case *pb.PutRequest, *pb.DeleteRangeRequest, *pb.CompactionRequest:
		return true
	}
	return false
}

// isLocal is true for a read that may make a whole transaction one of a single member.
func isLocal(op *pb.RequestOp) bool {
	if nested := op.GetRequestTxn(); nested != nil {
		return !isLatest(nested)
	}
	return op.GetRequestRange().GetSerializable()
}
