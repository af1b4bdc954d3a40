// SPDX-License-Identifier: Apache-2.0

// Package fuzzer fills the hub types with random values for round-trip tests.
// What it makes is as if it had been decoded: fields that have a default are
// never empty. It is for tests only.
package fuzzer
