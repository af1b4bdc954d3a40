// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Folders are the top-level folders, each with what belongs there.
func Folders() map[string]string {
	return map[string]string{
		"artifacts": "install manifests and examples",
		"cmd":       "programs that are shipped",
		"docs":      "text for people",
		"hack":      "scripts, generators and development tools",
		"pkg":       "everything the server is made of",
		"test":      "suites that span packages",
	}
}

// vague package names say nothing about what belongs in them, so everything ends up there.
var vague = []string{"base", "common", "helper", "helpers", "lib", "misc", "shared", "util", "utils"}

const spdx = "// SPDX-License-Identifier: Apache-2.0\n\n"

// CheckFolders takes the names of the folders at the root.
func CheckFolders(names []string) []Finding {
	folders := Folders()
	var findings []Finding
	for _, name := range names {
		if _, known := folders[name]; known || hidden(name) {
			continue
		}
		var homes []string
		for _, folder := range slices.Sorted(maps.Keys(folders)) {
			homes = append(homes, folder+"/ ("+folders[folder]+")")
		}
		findings = append(findings, Finding{name, "folders",
			"unknown top-level folder; its content belongs in one of " + strings.Join(homes, ", ")})
	}
	return findings
}

// hidden says whether a path below the root is the business of git, of an editor or of a build.
func hidden(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return strings.HasPrefix(path.Base(name), ".") || first == "bin" || first == "_output"
}

// CheckPackages looks at packages as a whole: listed in the import table, named after what they own, documented in doc.go.
func CheckPackages(files []*File) []Finding {
	folders := map[string][]*File{}
	for _, file := range files {
		if !file.Foreign {
			folders[file.Dir()] = append(folders[file.Dir()], file)
		}
	}
	var findings []Finding
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		findings = append(findings, checkPackage(folder, folders[folder])...)
	}
	return findings
}

func checkPackage(folder string, files []*File) []Finding {
	name := strings.TrimSuffix(files[0].tree.Name.Name, "_test")
	var findings []Finding
	if ruleFor(files[0].Path) == nil {
		findings = append(findings, Finding{folder, "listed", "no row of the import table knows this package. " + whereItBelongs(folder)})
	}
	if slices.Contains(vague, name) || slices.Contains(vague, path.Base(folder)) {
		findings = append(findings, Finding{folder, "vague-name", "name the package after the one thing it owns; nothing is called " + name + " here"})
	}
	documented := slices.ContainsFunc(files, func(f *File) bool { return path.Base(f.Path) == "doc.go" && f.tree.Doc != nil })
	if needsDoc(folder) && name != "main" && !documented {
		findings = append(findings, Finding{folder, "doc.go", "needs a doc.go with a package comment: what it owns, promises and never does"})
	}
	return findings
}

func needsDoc(folder string) bool {
	return (within(folder, "pkg") || within(folder, "cmd")) && !within(folder, "pkg/generated")
}

func whereItBelongs(folder string) string {
	homes := map[string]string{
		"pkg/registry":    "A resource is pkg/registry/RESOURCE, code for several resources pkg/registry/subresource",
		"pkg/controllers": "A controller is pkg/controllers/NAME, pure rendering pkg/controllers/render, queueing pkg/controllers/worker",
		"pkg/storage":     "Joined writes are pkg/storage/transaction, the epoch and revision mark pkg/storage/fence",
		"cmd":             "Programs are cmd/NAME, their wiring cmd/NAME/app and cmd/NAME/app/options",
		"pkg":             "API types belong in pkg/apis, REST in pkg/registry, loops in pkg/controllers, admission in pkg/admission, wiring in pkg/apiserver",
	}
	best := "Go code belongs in pkg, cmd, hack or test"
	length := 0
	for home, text := range homes {
		if within(folder, home) && len(home) > length {
			best, length = text, len(home)
		}
	}
	return best + "; a new kind of package needs a row in test/architecture/imports.go and in docs/architecture.md"
}

// CheckLicense wants the SPDX line and an empty line first in every file that people write.
func CheckLicense(file *File) []Finding {
	if file.Generated() || bytes.HasPrefix(file.source, []byte(spdx)) {
		return nil
	}
	return []Finding{{file.Path, "license", fmt.Sprintf("must start with %q and an empty line", strings.TrimSpace(spdx))}}
}
