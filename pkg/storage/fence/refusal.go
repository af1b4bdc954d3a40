// SPDX-License-Identifier: Apache-2.0

package fence

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// retrySeconds is short: client-go waits ten times that before its caller learns the reason.
const retrySeconds = 1

// Refusal is why nothing enters the gate.
type Refusal struct {
	Reason  Reason
	Message string
}

// Error implements error.
func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Message }

// Status makes it 503 wherever it reaches a client.
func (r *Refusal) Status() metav1.Status {
	s := apierrors.NewServiceUnavailable("the storage is fenced: " + r.Error()).ErrStatus
	s.Details = &metav1.StatusDetails{
		RetryAfterSeconds: retrySeconds,
		Causes:            []metav1.StatusCause{{Type: metav1.CauseType(r.Reason), Message: r.Message}},
	}
	return s
}

// final is true for red.
func (r *Refusal) final() bool { return r != nil && r.Reason != NotVerified }

// doubt is the end of a request to etcd that the guard did not let through, or whose
// answer it did not. Clients of etcd read its code, clients of the API its status.
type doubt struct {
	*Refusal
	// sent says that etcd had the request, so that a write may have been carried out.
	sent bool
}

// GRPCStatus says what etcd's own client may do: ask again while there is no verdict, if
// the request writes nothing, and else give up.
func (d *doubt) GRPCStatus() *status.Status {
	code := codes.FailedPrecondition
	switch {
	case d.sent && d.final():
		code = codes.DataLoss
	case d.sent:
		code = codes.Unavailable
	}
	return status.New(code, d.Error())
}

// Status asks nobody to repeat what may have been carried out: client-go would do so by
// itself, and a POST with generateName would then be done twice.
func (d *doubt) Status() metav1.Status {
	s := d.Refusal.Status()
	if d.sent {
		s.Details.RetryAfterSeconds = 0
		s.Message += "; whether a write was carried out is not known"
	}
	return s
}
