// SPDX-License-Identifier: Apache-2.0

// Package census counts Sandboxes by state for the metric sandbox_apiserver_sandboxes.
//
// It owns what a state is called there. It promises that an event and a scrape cost the same however many Sandboxes there
// are, and that each Sandbox of the cache is counted once. It never reads or writes the API, and decides nothing.
package census
