// SPDX-License-Identifier: Apache-2.0

// Package transaction joins the single writes of two registry calls into one
// etcd transaction.
//
// It owns how resources reach etcd: Backend opens their storage, the stock
// etcd3 store and watch cache of k8s.io/apiserver, over one client that all
// resources share. The stock store sends every write through an interface of
// its client (OptimisticPut, OptimisticDelete). Here that interface is ours:
//
//  1. Join calls the outer registry function. Admission, strategy, validation,
//     encoding and encryption run as ever; then the store asks for its write.
//  2. That write is held back and the inner registry function runs, with the
//     same context and a RequestInfo of its own.
//  3. The inner store asks for its write, and both are committed in one
//     transaction: if neither object has changed, put both, else get both.
//  4. Both stores get the answer they would have got alone. A conflict is the
//     conflict of the object that changed.
//
// Outside Join the storage behaves as upstream's, to the byte.
//
// It promises
//   - both objects are written, at one revision, or neither;
//   - a lost answer of etcd is never taken for success and never retried: the
//     Outcome says Unknown;
//   - an inner call that writes nothing fails the outer one;
//   - two objects of one resource are refused, since a watch that resumes
//     between two events of one revision loses the second;
//   - deletes, objects that are being deleted, a third write, and writes that
//     are too large together are refused before etcd is asked;
//   - a dry run (Rehearse) opens no transaction and cannot write.
//
// It never interprets objects beyond their deletionTimestamp, never retries,
// and knows nothing of what the resources mean. It must be etcd that answers:
// SelfTestCheck fails readiness elsewhere.
package transaction
