// SPDX-License-Identifier: Apache-2.0

package ha

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// wire counts what a client's HTTP layer sees: answers that ask for another attempt, which
// client-go makes by itself, and attempts without an answer.
type wire struct {
	http.RoundTripper
	attempts, retryAfter, broken *atomic.Int64
}

func newWire() *wire {
	return &wire{attempts: new(atomic.Int64), retryAfter: new(atomic.Int64), broken: new(atomic.Int64)}
}

// over is for rest.Config.Wrap.
func (w *wire) over(next http.RoundTripper) http.RoundTripper {
	return &wire{RoundTripper: next, attempts: w.attempts, retryAfter: w.retryAfter, broken: w.broken}
}

func (w *wire) RoundTrip(request *http.Request) (*http.Response, error) {
	w.attempts.Add(1)
	response, err := w.RoundTripper.RoundTrip(request)
	switch {
	case err != nil:
		w.broken.Add(1)
	case response.Header.Get("Retry-After") != "":
		w.retryAfter.Add(1)
	}
	return response, err
}

func (w *wire) String() string {
	return fmt.Sprintf("%d attempts, of which %d were told to try again and %d had no answer", w.attempts.Load(), w.retryAfter.Load(), w.broken.Load())
}
