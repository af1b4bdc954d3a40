// SPDX-License-Identifier: Apache-2.0

// Package subresource holds what the resources of the API share so that none
// writes it again: the status subresource of any kind, the scale subresource,
// the prologue of every action (suspend, resume), the answers every strategy
// gives alike, and the frame of kubectl tables.
//
// It knows no resource by name. It never talks to etcd other than through the
// registry store it is given.
package subresource
