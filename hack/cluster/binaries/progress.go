// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// progressInterval is how often a long build says that it is still going.
const progressInterval = 15 * time.Second

// progress is where a build stands. It is the writer of `go build -v`, whose output
// is one line for each package compiled, and compiler messages.
type progress struct {
	name      string
	number    int // of this binary, from 1
	of        int
	begin     time.Time // of the whole work
	mu        sync.Mutex
	compiled  int
	remainder string
	messages  []string
}

// Write counts the packages and keeps everything else as messages.
func (p *progress) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := strings.Split(p.remainder+string(data), "\n")
	p.remainder = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		switch {
		case line == "":
		case isImportPath(line):
			p.compiled++
		default:
			p.messages = append(p.messages, line)
		}
	}
	return len(data), nil
}

func isImportPath(line string) bool { return !strings.ContainsAny(line, " :") }

// line is what is printed for now: which binary, how many of how many, how far, how long.
func (p *progress) line(now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := now.Sub(p.begin).Round(time.Second)
	if p.compiled == 0 {
		return fmt.Sprintf("building %s (%d of %d), %s", p.name, p.number, p.of, elapsed)
	}
	return fmt.Sprintf("building %s (%d of %d), %s, %d packages compiled", p.name, p.number, p.of, elapsed, p.compiled)
}

func (p *progress) failure() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(append(p.messages, p.remainder), "\n")
}

// reporter prints where a build stands.
type reporter struct {
	out   io.Writer
	quiet time.Duration // before the first line: a build from the cache is not worth one
}

// report prints until ctx ends.
func (r reporter) report(ctx context.Context, p *progress) {
	timer := time.NewTimer(r.quiet)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-timer.C:
			fmt.Fprintln(r.out, p.line(now))
			timer.Reset(progressInterval)
		}
	}
}
