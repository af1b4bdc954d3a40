// SPDX-License-Identifier: Apache-2.0

// Package install puts the API group into a scheme: the hub types and every
// external version, with their priority. It never holds a scheme of its own.
package install
