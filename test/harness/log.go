// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bytes"
	"fmt"
	"os"
)

// disasters are lines that no log of a server may hold, each with how many lines after
// it tell the story.
var disasters = map[string]int{
	"WARNING: DATA RACE": 60,
	"Observed a panic":   60,
	"fatal error: ":      60,
}

// checkLog returns the first disaster of each kind.
func checkLog(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the server's log: %w", err)
	}
	for mark, lines := range disasters {
		if at := bytes.Index(raw, []byte(mark)); at >= 0 {
			return fmt.Errorf("the server's log says %q %d times, first:\n%s", mark, bytes.Count(raw, []byte(mark)), firstLines(raw[at:], lines))
		}
	}
	return nil
}

func firstLines(text []byte, lines int) []byte {
	split := bytes.SplitAfterN(text, []byte("\n"), lines+1)
	return bytes.Join(split[:min(lines, len(split))], nil)
}

func lastLines(text []byte, lines int) []byte {
	split := bytes.SplitAfter(text, []byte("\n"))
	return bytes.Join(split[max(0, len(split)-lines):], nil)
}
