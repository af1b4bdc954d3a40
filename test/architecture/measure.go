// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"go/ast"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Function is what the budgets measure of one declared function. Function literals count as part of it.
type Function struct {
	// Path is the file, Receiver the name of the receiver's type ("" for a plain function).
	Path, Receiver, Name string
	// Lines runs from the func keyword to the closing brace. In test files tables (composite literals) are not counted.
	Lines int
	// Parameters does not count the receiver.
	Parameters int
	// Nesting is the deepest stack of if, for, switch and select; an else-if is as deep as its if.
	Nesting int
	// Goroutines counts go statements.
	Goroutines int
	// NakedBools are the calls of functions of this repository with true or false for an argument.
	NakedBools []string
}

// String is the subject of findings and exceptions.
func (f Function) String() string {
	if f.Receiver == "" {
		return f.Path + " " + f.Name
	}
	return f.Path + " " + f.Receiver + "." + f.Name
}

// Constructor says whether the function is a New of the package, exported, and no method.
func (f Function) Constructor() bool {
	rest, isNew := strings.CutPrefix(f.Name, "New")
	first, _ := utf8.DecodeRuneInString(rest)
	return isNew && f.Receiver == "" && (rest == "" || unicode.IsUpper(first))
}

// Functions measures what the file declares. Generated files declare nothing of ours.
func (f *File) Functions() []Function {
	_, own := f.imports()
	var functions []Function
	for _, decl := range f.tree.Decls {
		function, ok := decl.(*ast.FuncDecl)
		if !ok || f.Generated() {
			continue
		}
		measured := Function{
			Path:       f.Path,
			Receiver:   receiver(function),
			Name:       function.Name.Name,
			Lines:      f.span(function),
			Parameters: function.Type.Params.NumFields(),
		}
		if function.Body != nil {
			measured.Nesting = nesting(function.Body)
			measured.NakedBools = nakedBools(function.Body, own)
			measured.Goroutines = count[*ast.GoStmt](function.Body)
		}
		if f.Test() {
			measured.Lines -= f.tables(function)
		}
		functions = append(functions, measured)
	}
	return functions
}

func receiver(function *ast.FuncDecl) string {
	if function.Recv.NumFields() == 0 {
		return ""
	}
	expr := function.Recv.List[0].Type
	for {
		switch typed := expr.(type) {
		case *ast.StarExpr:
			expr = typed.X
		case *ast.IndexExpr:
			expr = typed.X
		case *ast.IndexListExpr:
			expr = typed.X
		case *ast.ParenExpr:
			expr = typed.X
		case *ast.Ident:
			return typed.Name
		default:
			return "?"
		}
	}
}

func (f *File) span(node ast.Node) int {
	return f.fset.Position(node.End()).Line - f.fset.Position(node.Pos()).Line + 1
}

// tables counts the lines inside the outermost composite literals. Data makes a test long but not hard.
func (f *File) tables(function *ast.FuncDecl) int {
	lines := 0
	ast.Inspect(function, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if ok {
			lines += f.span(literal) - 1
		}
		return !ok
	})
	return lines
}

func count[T ast.Node](body ast.Node) int {
	found := 0
	ast.Inspect(body, func(node ast.Node) bool {
		if _, ok := node.(T); ok {
			found++
		}
		return true
	})
	return found
}

// nesting walks with a depth that grows at each block statement. The case bodies of a switch or select count as one
// level with it, so does an else-if with its if.
func nesting(body ast.Node) int {
	deepest := 0
	var walk func(node ast.Node, depth int)
	walk = func(node ast.Node, depth int) {
		deepest = max(deepest, depth)
		ast.Inspect(node, func(child ast.Node) bool {
			if child == node || child == nil {
				return true
			}
			if !block(child) {
				return true
			}
			if parent, ok := node.(*ast.IfStmt); ok && child == parent.Else {
				walk(child, depth)
			} else {
				walk(child, depth+1)
			}
			return false
		})
	}
	walk(body, 0)
	return deepest
}

func block(node ast.Node) bool {
	switch node.(type) {
	case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
		return true
	}
	return false
}

// nakedBools finds calls such as sandbox.Plan(obj, true). Only functions of other packages of this repository are seen,
// since without types a method or a local function cannot be told from a foreign one.
func nakedBools(body ast.Node, own map[string]string) []string {
	var calls []string
	ast.Inspect(body, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		callee, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, isName := callee.X.(*ast.Ident); isName && own[pkg.Name] != "" && hasBool(call.Args) {
			calls = append(calls, pkg.Name+"."+callee.Sel.Name)
		}
		return true
	})
	return calls
}

func hasBool(args []ast.Expr) bool {
	for _, arg := range args {
		if name, ok := arg.(*ast.Ident); ok && (name.Name == "true" || name.Name == "false") {
			return true
		}
	}
	return false
}
