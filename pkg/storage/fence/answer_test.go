// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"testing"

	"github.com/stretchr/testify/assert"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

func TestIsLatest(t *testing.T) {
	serializable := &pb.RangeRequest{Serializable: true}
	txn := func(ops ...*pb.RequestOp) *pb.TxnRequest { return &pb.TxnRequest{Success: ops} }
	get := func(r *pb.RangeRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: r}}
	}
	put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{}}}
	within := func(r *pb.TxnRequest) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: r}}
	}
	for name, c := range map[string]struct {
		request any
		want    bool
	}{
		"get":                            {&pb.RangeRequest{}, true},
		"get at a revision":              {&pb.RangeRequest{Revision: 7}, true},
		"get from any member":            {serializable, false},
		"put":                            {&pb.PutRequest{}, true},
		"delete":                         {&pb.DeleteRangeRequest{}, true},
		"compact":                        {&pb.CompactionRequest{}, true},
		"empty transaction":              {txn(), false},
		"transaction":                    {txn(put, get(&pb.RangeRequest{})), true},
		"transaction of any member":      {txn(get(serializable)), false},
		"else of any member":             {&pb.TxnRequest{Failure: []*pb.RequestOp{get(serializable)}}, false},
		"transaction within one":         {txn(within(txn(put))), true},
		"within one, of any member":      {txn(within(txn(get(serializable)))), false},
		"lease, which a member may know": {&pb.LeaseTimeToLiveRequest{}, false},
		"status of a member":             {&pb.StatusRequest{}, false},
		"alarms":                         {&pb.AlarmRequest{}, false},
		"members":                        {&pb.MemberListRequest{}, false},
		"watch":                          {&pb.WatchRequest{}, false},
	} {
		assert.Equal(t, c.want, isLatest(c.request), name)
	}
}

func TestHeaderOf(t *testing.T) {
	header := &pb.ResponseHeader{Revision: 7}
	for name, c := range map[string]struct {
		answer any
		want   *pb.ResponseHeader
	}{
		"range":                 {&pb.RangeResponse{Header: header}, header},
		"transaction":           {&pb.TxnResponse{Header: header}, header},
		"watch":                 {&pb.WatchResponse{Header: header}, header},
		"status":                {&pb.StatusResponse{Header: header}, header},
		"last of a stream":      {&pb.RangeStreamResponse{RangeResponse: &pb.RangeResponse{Header: header}}, header},
		"within a stream":       {&pb.RangeStreamResponse{RangeResponse: &pb.RangeResponse{}}, nil},
		"empty within a stream": {&pb.RangeStreamResponse{}, nil},
		"defragmentation":       {&pb.DefragmentResponse{}, nil},
		"piece of a snapshot":   {&pb.SnapshotResponse{}, nil},
		"something else":        {struct{}{}, nil},
	} {
		assert.Equal(t, c.want, headerOf(c.answer), name)
	}
}
