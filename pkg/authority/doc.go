// SPDX-License-Identifier: Apache-2.0

// Package authority keeps a certificate authority in a Secret, issues leaf certificates from it, and replaces it before it
// ends, without an interruption.
//
// It owns the Secret. There is no leader: every process that needs a certificate runs an Authority on the same Secret, and
// whoever comes first makes it. A change is always an update of what was read, at the resource version that was read; the
// loser of a race reads again.
//
//	a, err := authority.New(authority.Options{Client: client, Namespace: ns, Name: "sandbox-apiserver-ca", KeyPrefix: "example.com"})
//	err = a.Ensure(ctx)         // made or read: Issue and Bundle work from here on
//	go a.Run(ctx)               // follows the Secret, turns the rotation on
//	leaf, err := a.Issue(authority.Request{CommonName: "server", DNSNames: names, Usages: authority.Server})
//
// Files keeps the certificate of a process that reads files; servingcert serves one from memory.
//
// # Rotation
//
// A rotation has four steps, see plan: the next authority is made and joins the bundle; when the bundle is published (see
// Options.Published) and Options.Spread has passed, the next one signs; when the last leaf of the old one has expired, the
// old one leaves the bundle. It begins when a fifth of the authority's life is left, and whenever an administrator asks:
//
//	kubectl annotate secret NAME -n NAMESPACE --overwrite KEYPREFIX/rotate="$(date)"
//
// Each new value of the annotation is one rotation; KEYPREFIX/rotated holds the last value that was used up. A value that is
// set during a rotation begins the next one after it. Deleting the Secret is the quick way for a stolen key: a new authority
// is made at once, and clients that trust the old bundle fail until they have the new one.
//
// # The Secret
//
// Its type is kubernetes.io/tls: tls.crt and tls.key are the authority that signs, ca.crt is the bundle to trust. During a
// rotation next.crt and next.key hold the next authority, then previous.crt the old one. An administrator may put in an
// authority of his own. A Secret that holds anything else is an error which names the key, and is left as it is; a running
// process goes on with what it read last.
//
// # Reconnecting
//
// KEYPREFIX/reconnect-generation counts the times somebody asked for new connections; the bundle carries it as a comment.
// Kubernetes makes a new transport, and so new connections, for every change in any byte of an APIService's caBundle, and
// lets requests in flight end on the old ones. See Authority.Reconnect.
//
// It never deletes the Secret, never writes a key anywhere else (but Files its own), and knows nothing of who trusts it.
package authority
