// SPDX-License-Identifier: Apache-2.0

package localtest

import (
	"os"
	"testing"
)

// TestMain lets the test binary also be the processes that the tests are about.
func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv(doomedVariable) != "":
		err = runDoomed(os.Getenv(doomedVariable))
	case os.Getenv(stubVariable) != "":
		err = runStub(os.Args[1:])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
}
