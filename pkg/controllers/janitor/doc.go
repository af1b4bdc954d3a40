// SPDX-License-Identifier: Apache-2.0

// Package janitor deletes Sandboxes, claims, pools and templates whose namespace has
// died without us.
//
// The cluster deletes a namespace only after all that is in it. But while our API is
// not registered, or when somebody finalizes a namespace by hand, it knows nothing of
// our objects: they stay in our store, and come to light in whatever namespace gets
// the name next.
//
// A check lists the namespaces, compares them with what the caches have of our kinds,
// decides, which is pure, and acts. An object is left over if
//   - there is no namespace of its name, or
//   - the one that there is was created more than an hour later than the object. What
//     identifies a namespace is its UID; that the object was there first is how we know
//     that it belongs to another one. The hour is for clocks: the two times come from two
//     of them.
//
// It is deleted only
//   - when checks at least ten minutes apart have all seen the very same: no namespace,
//     or that one namespace;
//   - after a live read of the namespace has said so again. Any other answer is none;
//   - with its UID as precondition, a hundred objects in a check at most, a check a minute;
//   - while at most a quarter of the namespaces that have objects of ours look dead. More
//     smell of another cluster, or of one that was made anew around our store: a metric,
//     an Event on the APIService and the log say so, and an administrator decides. Objects
//     can be deleted by hand in a namespace that does not exist.
//
// Pools go first, so that nobody makes new Sandboxes, then Sandboxes, then claims, so
// that no claim is served in between, templates last. The finalizer of a Sandbox is left
// to package sandbox, which looks for what carries the UID of the Sandbox and, in a new
// namespace, finds nothing but what was made there for it by mistake. Nothing else in a
// new namespace is touched: this package reads namespaces and deletes our own kinds.
//
// Until it acts, the other controllers do not know: a Sandbox that is left over may get a
// Pod in the new namespace meanwhile. They must not refuse: in a cluster that was made
// anew around our store every namespace is younger than its Sandboxes, and they are to run.
//
// It cannot tell an object that is less than an hour older than the new namespace of its
// name. That one stays, to be seen and deleted by those who may.
package janitor
