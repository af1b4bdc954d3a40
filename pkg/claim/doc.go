// SPDX-License-Identifier: Apache-2.0

// Package claim is the hot path: it answers a SandboxClaim with a Sandbox, in
// one etcd transaction that writes both. It owns the choice between a warm
// Sandbox, a cold one, waiting and refusing, and what is written of each.
//
// A claim in ten steps, and what a crash after each leaves:
//
//  1. A door (POST sandboxclaims, sandboxwarmpools/NAME/claim or
//     sandboxes/NAME/claim) has authorized, decoded and mutated the claim. Nothing.
//  2. The pool is read from the watch cache, or from etcd when it is not there. Nothing.
//  3. The index reserves the oldest available Sandbox of the pool, in the memory
//     of this replica. Nothing: the reservation dies with the process.
//  4. The claims store begins: names, UID, and the status that the reserved
//     Sandbox gives. Nothing.
//  5. Strategy, validation and admission have their say on the claim. Nothing.
//  6. The store encodes and encrypts the claim; its write is held back. Nothing.
//  7. The Sandbox is read again by its store and must still be available with
//     the addresses that the claim names. Nothing.
//  8. Both are written in one transaction. A complete claim: a client that got
//     no answer repeats the call under the same name.
//  9. The index forgets the Sandbox. A complete claim; a rebuilt index knows.
//  10. The answer: Bound, and Ready if the Sandbox was warm. The controllers
//     follow: labels on the Pod, another Sandbox for the pool.
//
// It promises that no Sandbox is held twice and no claim holds two, whatever
// fails when; that losing a race does not reach the client while another
// Sandbox is free; that a dry run writes and spends nothing. It never waits for
// anything but etcd and admission, and it has no goroutines.
package claim
