// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// long is a function of exactly so many lines.
func long(signature string, lines int) string {
	return signature + " {\n" + strings.Repeat("\t_ = 0\n", lines-2) + "}\n"
}

// withTable is a function with a literal in it: lines of code, then that many rows.
func withTable(lines, rows int) string {
	return "func TestX() {\n\t_ = []int{\n" + strings.Repeat("\t\t0,\n", rows) + "\t}\n" + strings.Repeat("\t_ = 0\n", lines-3) + "}\n"
}

func TestCheckBudgets(t *testing.T) {
	const resource = "pkg/registry/sandbox/suspend.go"
	tests := map[string]struct {
		path   string // default pkg/claim/claimer.go
		source string // after the package clause
		rule   string // "" when within budget
	}{
		"file full":                      {source: strings.Repeat("\n", maxFileLines-1)},
		"file too long":                  {source: strings.Repeat("\n", maxFileLines), rule: "file-lines"},
		"test file full":                 {path: "pkg/claim/claimer_test.go", source: strings.Repeat("\n", maxTestFileLines-1)},
		"test file too long":             {path: "pkg/claim/claimer_test.go", source: strings.Repeat("\n", maxTestFileLines), rule: "file-lines"},
		"generated is exempt":            {path: "pkg/generated/openapi/zz.go", source: strings.Repeat("\n", 5*maxFileLines)},
		"function full":                  {source: long("func F()", 60)},
		"function too long":              {source: long("func F()", 61), rule: "function-lines"},
		"doc comment is free":            {source: strings.Repeat("// F does.\n", 30) + long("func F()", 60)},
		"a test is as short":             {path: "pkg/claim/x_test.go", source: long("func TestX()", 61), rule: "function-lines"},
		"but for its table":              {path: "pkg/claim/x_test.go", source: withTable(60, 200)},
		"and only for its table":         {path: "pkg/claim/x_test.go", source: withTable(61, 200), rule: "function-lines"},
		"tables outside tests count":     {source: withTable(10, 60), rule: "function-lines"},
		"constructor full":               {source: long("func NewClaimer()", 40)},
		"constructor too long":           {source: long("func NewClaimer()", 41), rule: "function-lines"},
		"bare New is a constructor":      {source: long("func New()", 41), rule: "function-lines"},
		"Newest is none":                 {source: long("func Newest()", 41)},
		"a method New is none":           {source: long("func (s *S) New()", 41)},
		"Create full":                    {path: resource, source: long("func (r *REST) Create()", 40)},
		"Create too long":                {path: resource, source: long("func (r *REST) Create()", 41), rule: "function-lines"},
		"Create elsewhere":               {source: long("func (r *REST) Create()", 41)},
		"five parameters":                {source: "func F(a, b, c int, d string, e ...int) {}\n"},
		"six parameters":                 {source: "func F(a, b, c int, d, e string, f ...int) {}\n", rule: "parameters"},
		"unnamed parameters":             {source: "func F(int, int, int, int, int, int) {}\n", rule: "parameters"},
		"receiver is free":               {source: "func (s *S) F(a, b, c, d, e int) {}\n"},
		"rest.Updater has seven":         {path: resource, source: "func (r *REST) Update(a, b, c, d, e, f, g int) {}\n"},
		"but not eight":                  {path: resource, source: "func (r *REST) Update(a, b, c, d, e, f, g, h int) {}\n", rule: "parameters"},
		"a function Update has five":     {path: resource, source: "func Update(a, b, c, d, e, f int) {}\n", rule: "parameters"},
		"three blocks deep":              {source: "func F() { for { if x { select { default: y() } } } }\n"},
		"four blocks deep":               {source: "func F() { for { if x { switch { default: if y { z() } } } } }\n", rule: "nesting"},
		"four deep in a literal":         {source: "func F() { go func() { for range x { if y { func() { if z { for {} } }() } } }() }\n", rule: "nesting"},
		"else-if is no deeper":           {source: "func F() { if a {} else if b {} else if c {} else if d { for { if e {} } } }\n"},
		"else block is one deeper":       {source: "func F() { if a {} else { if b { if c { if d {} } } } }\n", rule: "nesting"},
		"case bodies count once":         {source: "func F() { switch a { case 1: switch b { case 2: switch c { case 3: d() } } } }\n"},
		"type switches count":            {source: "func F() { switch a.(type) { case int: for { for { for {} } } } }\n", rule: "nesting"},
		"constructors start nothing":     {source: "func NewClaimer() { go run() }\n", rule: "constructor-starts"},
		"Run may":                        {source: "func (c *C) Run() { go run() }\n"},
		"bool given to a foreign call":   {source: "func F() { ptr.To(true) }\n"},
		"bool given to our own":          {source: "import \"" + Module + "/pkg/warmindex\"\nfunc F() { warmindex.Pick(a, true) }\n", rule: "naked-bool"},
		"bool given to our own, renamed": {source: "import w \"" + Module + "/pkg/warmindex\"\nfunc F() { w.Pick(false) }\n", rule: "naked-bool"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := test.path
			if path == "" {
				path = "pkg/claim/claimer.go"
			}
			findings := CheckBudgets(parse(t, path, "package p\n"+test.source))
			if test.rule == "" {
				assert.Empty(t, findings)
				return
			}
			require.Len(t, findings, 1)
			assert.Equal(t, test.rule, findings[0].Rule)
		})
	}
}

func TestForeignModulesHaveNoBudget(t *testing.T) {
	file := parse(t, "hack/tools/tools.go", "package p\n"+long("func F()", 500))
	assert.NotEmpty(t, CheckBudgets(file))
	file.Foreign = true
	assert.Empty(t, CheckBudgets(file))
}

func TestFunctionNames(t *testing.T) {
	file := parse(t, "pkg/p/p.go", "package p\nfunc A() {}\nfunc (b B) C() {}\nfunc (d *D[T]) E() {}\nfunc (f F[K, V]) G() {}\n")
	var names []string
	for _, function := range file.Functions() {
		names = append(names, function.String())
	}
	assert.Equal(t, []string{"pkg/p/p.go A", "pkg/p/p.go B.C", "pkg/p/p.go D.E", "pkg/p/p.go F.G"}, names)
}

func TestExcept(t *testing.T) {
	findings := []Finding{
		{Subject: "pkg/p/p.go A", Rule: "nesting"},
		{Subject: "pkg/p/p.go A", Rule: "parameters"},
	}
	wanted := Exception{Subject: "pkg/p/p.go A", Rule: "nesting", Reason: "a parser is nested"}
	stale := Exception{Subject: "pkg/p/p.go B", Rule: "nesting", Reason: "was"}
	unreasoned := Exception{Subject: "pkg/p/p.go A", Rule: "parameters"}

	left, bad := Except(findings, []Exception{wanted, stale})
	assert.Equal(t, []Finding{{Subject: "pkg/p/p.go A", Rule: "parameters"}}, left)
	assert.Equal(t, []Exception{stale}, bad)

	_, bad = Except(findings, []Exception{wanted, unreasoned})
	assert.Equal(t, []Exception{unreasoned}, bad)
}
