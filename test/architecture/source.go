// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Module is the import path of this repository.
const Module = "agents.x-k8s.io/sandbox-apiserver"

// File is one parsed Go file.
type File struct {
	// Path is the slash-separated path below the root of the repository.
	Path string
	// Lines counts line ends.
	Lines int
	// Foreign files belong to a module of their own (hack/tools): the import table and the budgets are not about them.
	Foreign bool

	source []byte
	fset   *token.FileSet
	tree   *ast.File
}

// Parse reads one file. Of generated files only the imports are parsed.
func Parse(name string, source []byte) (*File, error) {
	file := &File{Path: name, Lines: bytes.Count(source, []byte("\n")), source: source, fset: token.NewFileSet()}
	mode := parser.SkipObjectResolution | parser.ParseComments
	if file.Generated() {
		mode |= parser.ImportsOnly
	}
	tree, err := parser.ParseFile(file.fset, name, source, mode)
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", name, err)
	}
	file.tree = tree
	return file, nil
}

// Load parses every Go file below root, in path order. Hidden and ignored folders and testdata are left out.
func Load(root string) ([]*File, error) {
	var files []*File
	foreign := "" // the module folder that the walk is in
	err := filepath.WalkDir(root, func(full string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(full, root+string(filepath.Separator)))
		switch {
		case full == root:
			return nil
		case entry.IsDir() && (hidden(name) || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.IsDir():
			if _, statErr := os.Stat(filepath.Join(full, "go.mod")); statErr == nil && !within(name, foreign) {
				foreign = name
			}
			return nil
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		file, err := load(full, name)
		if err != nil {
			return err
		}
		file.Foreign = within(name, foreign)
		files = append(files, file)
		return nil
	})
	return files, err
}

func load(full, name string) (*File, error) {
	source, err := os.ReadFile(full)
	if err != nil {
		return nil, err
	}
	return Parse(name, source)
}

// Dir is the folder of the file below the root, "." for the root itself.
func (f *File) Dir() string { return path.Dir(f.Path) }

// Test says whether the file is compiled for tests only.
func (f *File) Test() bool { return strings.HasSuffix(f.Path, "_test.go") }

// Generated says whether a generator owns the file. It goes by name alone: a header could be typed by hand.
func (f *File) Generated() bool {
	base := path.Base(f.Path)
	return within(f.Path, "pkg/generated") ||
		strings.HasPrefix(base, "zz_generated") ||
		strings.HasPrefix(base, "generated.") && strings.HasSuffix(base, ".pb.go")
}

// imports lists the import paths of the file, and by local name those of this repository.
func (f *File) imports() (all []string, own map[string]string) {
	own = map[string]string{}
	for _, spec := range f.tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		all = append(all, imported)
		if !within(imported, Module) {
			continue
		}
		local := path.Base(imported)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		own[local] = imported
	}
	return all, own
}

// within says whether name is folder or lies below it; nothing is within "".
func within(name, folder string) bool {
	return folder != "" && (name == folder || strings.HasPrefix(name, folder+"/"))
}
