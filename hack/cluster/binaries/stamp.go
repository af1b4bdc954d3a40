// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// stamp says what a binary was built from. Equal stamps mean equal binaries.
func stamp(b binary, goVersion string, modules [sha256.Size]byte) string {
	return strings.Join([]string{b.pkg, strings.Join(b.flags, " "), goVersion, hex.EncodeToString(modules[:])}, "\n") + "\n"
}

func stampFile(root Root, b binary) string { return root.Bin("." + b.name + ".stamp") }

// modulesDigest covers every version that a module selects.
func modulesDigest(root Root, module string) ([sha256.Size]byte, error) {
	var all []byte
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(root.Join(module, name))
		if err != nil {
			return [sha256.Size]byte{}, fmt.Errorf("reading what %s pins: %w", module, err)
		}
		all = append(all, content...)
	}
	return sha256.Sum256(all), nil
}

// missing returns those binaries, in their order, that are not there or were built
// from something else than their wanted stamp.
func missing(root Root, all []binary, want map[string]string) ([]binary, error) {
	var out []binary
	for _, b := range all {
		got, err := os.ReadFile(stampFile(root, b))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading what bin/%s was built from: %w", b.name, err)
		}
		_, statErr := os.Stat(root.Bin(b.name))
		if statErr != nil || string(got) != want[b.name] {
			out = append(out, b)
		}
	}
	return out, nil
}
