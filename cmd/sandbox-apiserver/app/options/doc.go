// SPDX-License-Identifier: Apache-2.0

// Package options holds the flags of the server: their defaults, what is
// completed from the environment, and what is refused. It starts nothing.
package options
