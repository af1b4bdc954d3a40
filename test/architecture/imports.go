// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"path"
	"slices"
	"strings"
)

// rule is one row of "Who may import whom". Patterns are folders below the root; a trailing /... adds what is below.
type rule struct {
	// packages are the folders that the row is about; a single file is written out (pkg/warmindex/feed.go) and beats its folder.
	packages []string
	// may lists all that these packages may import of this repository.
	may []string
	// mustNot lists foreign import paths, each with all that is below it.
	mustNot []string
}

const (
	apis     = "pkg/apis/..."
	external = "pkg/apis/sandbox/v1beta1"
	render   = "pkg/controllers/render"
)

// etcd is reached through k8s.io/apiserver's storage interface by all but the packages that own a piece of it.
const etcd = "go.etcd.io/etcd"

var rules = []rule{
	{packages: []string{apis}, may: []string{apis}, mustNot: []string{"k8s.io/apiserver", "k8s.io/client-go", etcd}},
	{packages: []string{"pkg/generated/..."}, may: []string{apis, "pkg/generated/..."}},

	// Domain-free: they could move to another project as they are.
	{packages: []string{"pkg/storage/transaction", "pkg/storage/fence", "pkg/embeddedetcd"}},
	{packages: []string{"pkg/embeddedetcd/snapshot"}, may: []string{"pkg/embeddedetcd"}},
	{packages: []string{"pkg/embeddedetcd/space"}},
	{packages: []string{"pkg/authority", "pkg/warmindex", "pkg/controllers/worker", "pkg/interning"}, mustNot: []string{etcd}},
	{packages: []string{"pkg/servingcert"}, may: []string{"pkg/authority"}, mustNot: []string{etcd}},
	{packages: []string{"pkg/warmindex/feed.go"}, may: []string{apis}, mustNot: []string{etcd}},

	{packages: []string{"pkg/census"}, may: []string{external}, mustNot: []string{etcd}},

	{packages: []string{render}, may: []string{external}, mustNot: []string{"k8s.io/apiserver", "k8s.io/client-go", etcd}},
	{
		packages: []string{"pkg/claim"},
		may:      []string{apis, "pkg/storage/transaction", "pkg/warmindex", render},
		mustNot:  []string{etcd},
	},
	{packages: []string{"pkg/registry"}, may: []string{apis, "pkg/claim", "pkg/registry/..."}, mustNot: []string{etcd}},
	{
		packages: []string{
			"pkg/registry/subresource", "pkg/registry/sandbox", "pkg/registry/sandboxtemplate",
			"pkg/registry/sandboxwarmpool", "pkg/registry/sandboxclaim",
		},
		may:     []string{apis, "pkg/claim", "pkg/registry/subresource"},
		mustNot: []string{"k8s.io/client-go/kubernetes", etcd},
	},
	{
		packages: []string{"pkg/controllers"},
		may:      []string{external, "pkg/generated/...", "pkg/controllers/...", "pkg/interning"},
		mustNot:  []string{etcd},
	},
	{
		packages: []string{
			"pkg/controllers/sandbox", "pkg/controllers/warmpool", "pkg/controllers/claim", "pkg/controllers/template",
			"pkg/controllers/endpoints", "pkg/controllers/orphan", "pkg/controllers/janitor",
		},
		may:     []string{external, "pkg/generated/...", "pkg/controllers/worker", render},
		mustNot: []string{"k8s.io/apiserver/pkg/registry", "k8s.io/apiserver/pkg/storage", etcd},
	},
	{packages: []string{"pkg/admission/..."}, may: []string{apis, render, "pkg/admission/..."}, mustNot: []string{etcd}},
	{
		packages: []string{"pkg/apiserver"},
		may: []string{
			apis, "pkg/generated/...", "pkg/storage/...", "pkg/warmindex", "pkg/census", "pkg/interning", "pkg/claim", "pkg/registry/...",
			"pkg/controllers/...", "pkg/admission/...",
		},
	},
	{packages: []string{"cmd/..."}, may: []string{"cmd/...", "pkg/apiserver", "pkg/authority", "pkg/servingcert", "pkg/embeddedetcd/..."}},

	// Tools and suites stand outside: nothing above may import them.
	{packages: []string{"hack/..."}, may: []string{"hack/...", "test/architecture", apis, "pkg/generated/..."}},
	{packages: []string{"test/..."}, may: []string{"..."}},
}

// banned import paths, and the folders that may have them all the same. Tests may import what is banned for its weight,
// nobody what is banned for its kind.
var banned = []struct {
	imported string
	folders  []string
	tests    bool
	instead  string
}{
	{imported: "k8s.io/kubernetes", instead: "test tooling that needs it has its own module, hack/tools"},
	{imported: "sigs.k8s.io/controller-runtime", instead: "queues are pkg/controllers/worker, clients and informers pkg/generated and client-go"},
	{imported: "go.etcd.io/etcd/server/v3", folders: []string{"pkg/embeddedetcd", "test"}, tests: true, instead: "only pkg/embeddedetcd runs an etcd"},
	{imported: "go.etcd.io/etcd/etcdutl/v3", folders: []string{"pkg/embeddedetcd", "test"}, tests: true, instead: "only pkg/embeddedetcd/snapshot saves and restores"},
	{imported: "k8s.io/apiserver/pkg/storage/etcd3/testserver", folders: []string{"test"}, tests: true, instead: "it is for tests"},
	{imported: "github.com/stretchr/testify", folders: []string{"test"}, tests: true, instead: "it is for tests"},
}

// CheckImports holds one file to its row of the table. In test files only the banned paths count: a test may set up
// whatever it needs, and Go itself refuses cycles.
func CheckImports(file *File) []Finding {
	if file.Foreign {
		return nil
	}
	imports, _ := file.imports()
	var findings []Finding
	for _, imported := range imports {
		if why := refusal(file, imported); why != "" {
			findings = append(findings, Finding{file.Path, "imports", "must not import " + imported + ": " + why})
		}
	}
	return findings
}

func refusal(file *File, imported string) string {
	for _, ban := range banned {
		allowed := ban.tests && file.Test() || slices.ContainsFunc(ban.folders, func(f string) bool { return within(file.Path, f) })
		if within(imported, ban.imported) && !allowed {
			return ban.instead
		}
	}
	row := ruleFor(file.Path)
	if row == nil || file.Test() {
		return ""
	}
	if slices.ContainsFunc(row.mustNot, func(p string) bool { return within(imported, p) }) {
		return "the import table forbids it here"
	}
	own, isOwn := strings.CutPrefix(imported, Module+"/")
	if !isOwn || slices.ContainsFunc(row.may, func(p string) bool { return matches(p, own) }) {
		return ""
	}
	if len(row.may) == 0 {
		return "this package is free of our domain and imports nothing of this repository"
	}
	return "of this repository it may import " + strings.Join(row.may, ", ")
}

// ruleFor finds the most specific row for a Go file: its own, else that of its folder, else the nearest /... above.
func ruleFor(name string) *rule {
	var best *rule
	length := -1
	for i := range rules {
		for _, pattern := range rules[i].packages {
			if (pattern == name || matches(pattern, path.Dir(name))) && len(pattern) > length {
				best, length = &rules[i], len(pattern)
			}
		}
	}
	return best
}

func matches(pattern, folder string) bool {
	if pattern == "..." {
		return true
	}
	if above, ok := strings.CutSuffix(pattern, "/..."); ok {
		return within(folder, above)
	}
	return folder == pattern
}
