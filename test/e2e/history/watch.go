// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"slices"
)

// Delivery is one event that a watch of the API has delivered.
type Delivery struct {
	Revision int64
	UID      string
	Gone     bool
}

// Watched is what one watch of one resource has delivered. A client that cannot go on from
// where it was begins another.
type Watched struct {
	// After is the revision after which it began.
	After     int64
	Delivered []Delivery
}

// CheckWatch compares what watches of one resource have delivered with the writes of that
// resource. A watch may lack the last ones, but none in between.
func CheckWatch(writes []Write, watches []Watched) []string {
	var found []string
	for _, w := range watches {
		first := slices.IndexFunc(writes, func(write Write) bool { return write.Revision > w.After })
		if first < 0 {
			first = len(writes)
		}
		if bad := w.check(writes[first:]); bad != "" {
			found = append(found, bad)
		}
	}
	return found
}

func (w Watched) check(writes []Write) string {
	for i, got := range w.Delivered {
		if i == len(writes) {
			return fmt.Sprintf("the watch delivered %+v, which was never written", got)
		}
		if want := delivery(writes[i]); got != want {
			return fmt.Sprintf("the watch delivered %+v where %+v was written", got, want)
		}
	}
	return ""
}

func delivery(w Write) Delivery {
	d := Delivery{Revision: w.Revision, Gone: w.Gone}
	if w.Sandbox != nil {
		d.UID = w.Sandbox.UID
	} else {
		d.UID = w.Claim.UID
	}
	return d
}
