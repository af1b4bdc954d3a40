// SPDX-License-Identifier: Apache-2.0

// Package process starts, recognizes and ends single operating system processes.
//
// A process is known by a Record: its id, its start time and the program it was
// started as. Nothing is ever signalled by id alone: an id that meanwhile belongs to
// another program is treated as a process that has ended. A zombie has ended too.
//
// It reads /proc and therefore works on Linux only.
package process
