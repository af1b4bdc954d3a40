// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	modulePath   = "agents.x-k8s.io/sandbox-apiserver"
	toolsModule  = "hack/tools"
	binDirectory = "bin"
)

// Root is the checkout: the directory that holds the go.mod of this module.
type Root string

// FindRoot looks for the checkout from dir upwards. A test, whose working directory is
// its package, finds the checkout it belongs to with FindRoot(".").
func FindRoot(dir string) (Root, error) {
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolving %q: %w", dir, err)
	}
	for at := start; ; at = filepath.Dir(at) {
		isRoot, err := holdsModule(filepath.Join(at, "go.mod"))
		switch {
		case err != nil:
			return "", err
		case isRoot:
			return Root(at), nil
		case at == filepath.Dir(at):
			return "", fmt.Errorf("no checkout of %s at or above %s: run this inside it", modulePath, start)
		}
	}
}

func holdsModule(goMod string) (bool, error) {
	file, err := os.Open(goMod)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the checkout: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "module "+modulePath {
			return true, nil
		}
	}
	return false, lines.Err()
}

// Join returns the absolute path of something in the checkout.
func (r Root) Join(elem ...string) string {
	return filepath.Join(append([]string{string(r)}, elem...)...)
}

// Bin returns the absolute path of a program in bin/, built or not.
func (r Root) Bin(name string) string { return r.Join(binDirectory, name) }
