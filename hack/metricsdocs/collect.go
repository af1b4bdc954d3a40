// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// metric is what the source says of one metric.
type metric struct {
	name, kind, help, stability string
	labels                      []string
}

// library is what metrics are made with: it has stability levels, the client library of Prometheus has not.
const library = "k8s.io/component-base/metrics"

// collect reads every metric that the Go files below the folders define, sorted by name. It reads the source and not a
// registry, since a registry tells of a metric only once it has a value.
func collect(folders ...string) ([]metric, error) {
	var found []metric
	var errs []error
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			inPackage, err := collectPackage(path)
			found, errs = append(found, inPackage...), append(errs, err)
			return nil
		})
		errs = append(errs, err)
	}
	slices.SortFunc(found, func(a, b metric) int { return cmp.Compare(a.name, b.name) })
	for i, m := range found {
		errs = append(errs, m.check())
		if i > 0 && found[i-1].name == m.name {
			errs = append(errs, fmt.Errorf("metric %s is defined twice", m.name))
		}
	}
	return found, errors.Join(errs...)
}

// check holds a metric to what all of ours promise.
func (m metric) check() error {
	switch {
	case !strings.HasPrefix(m.name, "sandbox_apiserver_"):
		return fmt.Errorf("metric %s: its name must begin with sandbox_apiserver_", m.name)
	case m.stability == "":
		return fmt.Errorf("metric %s: it must say its stability", m.name)
	case !strings.HasSuffix(m.help, "."):
		return fmt.Errorf("metric %s: its help must be sentences", m.name)
	case (m.kind == "counter") != strings.HasSuffix(m.name, "_total"):
		return fmt.Errorf("metric %s: counters end with _total and nothing else does", m.name)
	}
	return nil
}

func collectPackage(folder string) ([]metric, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	source := &source{positions: token.NewFileSet(), constants: map[string]ast.Expr{}}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(source.positions, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		files = append(files, file)
		source.remember(file)
	}
	for _, file := range files {
		source.read(file)
	}
	return source.metrics, errors.Join(source.errs...)
}

// source is one package while it is read.
type source struct {
	positions *token.FileSet
	constants map[string]ast.Expr
	metrics   []metric
	errs      []error
}

// remember notes the constants of the package by name.
func (s *source) remember(file *ast.File) {
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.CONST {
			continue
		}
		for _, spec := range general.Specs {
			s.rememberValues(spec.(*ast.ValueSpec))
		}
	}
}

func (s *source) rememberValues(spec *ast.ValueSpec) {
	for i, name := range spec.Names {
		if i < len(spec.Values) {
			s.constants[name.Name] = spec.Values[i]
		}
	}
}

// read finds the calls that make a metric, of which `metrics.NewGaugeVec(&metrics.GaugeOpts{…}, []string{…})` is one.
func (s *source) read(file *ast.File) {
	local := localName(file)
	if local == "" {
		return
	}
	ast.Inspect(file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		function, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !isName(function.X, local) {
			return true
		}
		kind, vector := strings.CutSuffix(strings.TrimPrefix(function.Sel.Name, "New"), "Vec")
		switch kind {
		case "Desc":
			s.addDescription(call)
		case "Counter", "Gauge", "Histogram", "Summary", "TimingHistogram":
			s.addMetric(call, kind, vector)
		}
		return true
	})
}

// localName is what the file calls the library, or nothing.
func localName(file *ast.File) string {
	for _, imported := range file.Imports {
		if strings.Trim(imported.Path.Value, `"`) != library {
			continue
		}
		if imported.Name != nil {
			return imported.Name.Name
		}
		return "metrics"
	}
	return ""
}

func isName(expression ast.Expr, name string) bool {
	identifier, ok := expression.(*ast.Ident)
	return ok && identifier.Name == name
}

func (s *source) addMetric(call *ast.CallExpr, kind string, vector bool) {
	pointer, ok := call.Args[0].(*ast.UnaryExpr)
	if !ok {
		s.complain(call)
		return
	}
	options, ok := pointer.X.(*ast.CompositeLit)
	if !ok {
		s.complain(call)
		return
	}
	var parts [3]string
	m := metric{kind: strings.ToLower(kind)}
	for _, element := range options.Elts {
		field := element.(*ast.KeyValueExpr)
		switch field.Key.(*ast.Ident).Name {
		case "Namespace":
			parts[0] = s.text(field.Value)
		case "Subsystem":
			parts[1] = s.text(field.Value)
		case "Name":
			parts[2] = s.text(field.Value)
		case "Help":
			m.help = s.text(field.Value)
		case "StabilityLevel":
			m.stability = s.level(field.Value)
		}
	}
	m.name = strings.Join(slices.DeleteFunc(parts[:], func(part string) bool { return part == "" }), "_")
	if vector {
		m.labels = s.texts(call.Args[1])
	}
	s.metrics = append(s.metrics, m)
}

// addDescription reads metrics.NewDesc(name, help, labels, constLabels, stability, …), which does not say the kind.
func (s *source) addDescription(call *ast.CallExpr) {
	m := metric{name: s.text(call.Args[0]), kind: "gauge", help: s.text(call.Args[1]), labels: s.texts(call.Args[2]), stability: s.level(call.Args[4])}
	if strings.HasSuffix(m.name, "_total") {
		m.kind = "counter"
	}
	s.metrics = append(s.metrics, m)
}
