// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, path, source string) *File {
	t.Helper()
	file, err := Parse(path, []byte(source))
	require.NoError(t, err)
	return file
}

func TestCheckImports(t *testing.T) {
	tests := map[string]struct {
		path     string
		imported string
		foreign  bool
		refused  string // part of the detail, "" when the import is fine
	}{
		"hub types stay alone":                     {path: "pkg/apis/sandbox/types.go", imported: "k8s.io/apimachinery/pkg/runtime"},
		"version knows hub":                        {path: "pkg/apis/sandbox/v1beta1/conversion.go", imported: Module + "/pkg/apis/sandbox"},
		"apis without apiserver":                   {path: "pkg/apis/sandbox/validation/sandbox.go", imported: "k8s.io/apiserver/pkg/storage/names", refused: "forbids"},
		"apis without clients":                     {path: "pkg/apis/sandbox/install/install.go", imported: "k8s.io/client-go/rest", refused: "forbids"},
		"apis know nothing above":                  {path: "pkg/apis/sandbox/types.go", imported: Module + "/pkg/claim", refused: "may import pkg/apis"},
		"generated knows apis":                     {path: "pkg/generated/clientset/versioned/clientset.go", imported: Module + "/pkg/apis/sandbox/v1beta1"},
		"generated knows no claim":                 {path: "pkg/generated/clientset/versioned/clientset.go", imported: Module + "/pkg/claim", refused: "may import"},
		"transaction is domain-free":               {path: "pkg/storage/transaction/joined.go", imported: Module + "/pkg/apis/sandbox", refused: "free of our domain"},
		"transaction has etcd":                     {path: "pkg/storage/transaction/joined.go", imported: "go.etcd.io/etcd/client/v3"},
		"worker is domain-free":                    {path: "pkg/controllers/worker/worker.go", imported: Module + "/pkg/apis/sandbox/v1beta1", refused: "free of our domain"},
		"index is domain-free":                     {path: "pkg/warmindex/index.go", imported: Module + "/pkg/apis/sandbox", refused: "free of our domain"},
		"feed knows apis":                          {path: "pkg/warmindex/feed.go", imported: Module + "/pkg/apis/sandbox/v1beta1"},
		"feed knows no controller":                 {path: "pkg/warmindex/feed.go", imported: Module + "/pkg/controllers/sandbox", refused: "may import"},
		"claim knows hub":                          {path: "pkg/claim/claimer.go", imported: Module + "/pkg/apis/sandbox"},
		"claim renders":                            {path: "pkg/claim/claimer.go", imported: Module + "/pkg/controllers/render"},
		"claim knows no clientset":                 {path: "pkg/claim/claimer.go", imported: Module + "/pkg/generated/clientset/versioned", refused: "may import"},
		"claim knows no registry":                  {path: "pkg/claim/claimer.go", imported: Module + "/pkg/registry/sandbox", refused: "may import"},
		"install sees all resources":               {path: "pkg/registry/install.go", imported: Module + "/pkg/registry/sandbox"},
		"resource uses shared subresources":        {path: "pkg/registry/sandbox/storage.go", imported: Module + "/pkg/registry/subresource"},
		"resources never meet":                     {path: "pkg/registry/sandboxclaim/storage.go", imported: Module + "/pkg/registry/sandbox", refused: "may import"},
		"registry has no raw etcd":                 {path: "pkg/registry/sandbox/storage.go", imported: "go.etcd.io/etcd/client/v3", refused: "forbids"},
		"registry knows no controllers":            {path: "pkg/registry/sandbox/suspend.go", imported: Module + "/pkg/controllers/sandbox", refused: "may import"},
		"controller knows v1beta1":                 {path: "pkg/controllers/sandbox/sync.go", imported: Module + "/pkg/apis/sandbox/v1beta1"},
		"controller knows no hub":                  {path: "pkg/controllers/sandbox/sync.go", imported: Module + "/pkg/apis/sandbox", refused: "may import"},
		"controllers never meet":                   {path: "pkg/controllers/sandbox/sync.go", imported: Module + "/pkg/controllers/warmpool", refused: "may import"},
		"controllers have no etcd":                 {path: "pkg/controllers/sandbox/apply.go", imported: "go.etcd.io/etcd/client/v3", refused: "forbids"},
		"descriptors see all controllers":          {path: "pkg/controllers/descriptors.go", imported: Module + "/pkg/controllers/warmpool"},
		"render is on one version":                 {path: "pkg/controllers/render/pod.go", imported: Module + "/pkg/apis/sandbox", refused: "may import"},
		"admission renders":                        {path: "pkg/admission/podtemplate/admission.go", imported: Module + "/pkg/controllers/render"},
		"admission knows no controller":            {path: "pkg/admission/podtemplate/admission.go", imported: Module + "/pkg/controllers/sandbox", refused: "may import"},
		"wiring sees all":                          {path: "pkg/apiserver/server.go", imported: Module + "/pkg/controllers"},
		"wiring has no certificates":               {path: "pkg/apiserver/server.go", imported: Module + "/pkg/servingcert", refused: "may import"},
		"cmd wires the edges":                      {path: "cmd/sandbox-apiserver/app/run.go", imported: Module + "/pkg/embeddedetcd"},
		"cmd knows no registry":                    {path: "cmd/sandbox-apiserver/app/run.go", imported: Module + "/pkg/registry", refused: "may import"},
		"nobody imports test code":                 {path: "pkg/apiserver/server.go", imported: Module + "/test/integration", refused: "may import"},
		"tests set up what they need":              {path: "pkg/claim/claimer_test.go", imported: Module + "/pkg/registry/sandbox"},
		"no kubernetes, not even in tests":         {path: "test/e2e/e2e_test.go", imported: "k8s.io/kubernetes/pkg/kubelet", refused: "hack/tools"},
		"no controller-runtime":                    {path: "hack/cluster/main.go", imported: "sigs.k8s.io/controller-runtime", refused: "pkg/controllers/worker"},
		"kubernetes only in the module of tools":   {path: "hack/tools/tools.go", imported: "k8s.io/kubernetes/cmd/kubelet", foreign: true},
		"a longer name is another module":          {path: "pkg/claim/claimer.go", imported: "k8s.io/kubernetes-not"},
		"etcd's server only in embeddedetcd":       {path: "pkg/embeddedetcd/etcd.go", imported: "go.etcd.io/etcd/server/v3/embed"},
		"etcd's server nowhere else":               {path: "pkg/apiserver/server.go", imported: "go.etcd.io/etcd/server/v3/embed", refused: "only pkg/embeddedetcd"},
		"etcd's server in tests":                   {path: "pkg/storage/transaction/joined_test.go", imported: "go.etcd.io/etcd/server/v3/embed"},
		"etcd's server in shared test set-up":      {path: "test/integration/server.go", imported: "go.etcd.io/etcd/server/v3/embed"},
		"the test server of etcd is for tests too": {path: "pkg/apiserver/server.go", imported: "k8s.io/apiserver/pkg/storage/etcd3/testserver", refused: "for tests"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file := parse(t, test.path, fmt.Sprintf("package p\n\nimport _ %q\n", test.imported))
			file.Foreign = test.foreign

			findings := CheckImports(file)

			if test.refused == "" {
				assert.Empty(t, findings)
				return
			}
			require.Len(t, findings, 1)
			assert.Equal(t, test.path, findings[0].Subject)
			assert.Contains(t, findings[0].Detail, test.imported)
			assert.Contains(t, findings[0].Detail, test.refused)
		})
	}
}

func TestNoPackageHasTwoRows(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range rules {
		for _, pattern := range row.packages {
			assert.False(t, seen[pattern], "%s has two rows", pattern)
			seen[pattern] = true
		}
	}
}
