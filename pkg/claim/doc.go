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
//     of this replica. Nothing: the reservation dies with the process. Without one,
//     or with env or disks of its own, the claim renders a Sandbox from the template
//     as etcd has it, waits, or is refused.
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
// A step that finds the Sandbox changed goes back to 3 for another one. After
// eight of those the index is not trusted any more: each Sandbox is read from etcd
// before it is drawn. A claim that may start cold does so when it loses such a one
// too; others go on while the index has any.
//
// Each attempt is admitted, with the Sandbox that it names: the bytes of the claim
// say which one it is, and a policy may have a view on that. So webhooks may see a
// claim more than once. A quota is charged once, see ChargeOnce.
//
// It promises that no Sandbox is held twice and no claim holds two, whatever
// fails when; that a Sandbox which is withheld, because a claim that the store has
// lost may use it, is given to nobody, through no door; that losing a race does not
// reach the client while another Sandbox is free; that a dry run writes and spends
// nothing. It never waits for anything but etcd and admission, and it has no goroutines.
package claim
