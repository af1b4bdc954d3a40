// SPDX-License-Identifier: Apache-2.0

// Package violence shows that claims are exactly once while everything goes wrong: three
// replicas of the server on one etcd die and come back all the time, calls are cut off on
// their way and repeated under the same name, pools run dry and fill again.
//
// Whatever a client asks and is told, and whatever etcd holds at any moment, is recorded;
// package history judges it afterwards. The clients know nothing of the server but its
// API; the recorder reads its etcd, because no API that is killed could show every write.
package violence
