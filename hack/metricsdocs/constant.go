// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"strconv"
)

// text is the value of a string that stands in the source: a literal, a constant of the package, or a sum of such.
func (s *source) text(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.BasicLit:
		if value, err := strconv.Unquote(e.Value); err == nil {
			return value
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return s.text(e.X) + s.text(e.Y)
		}
	case *ast.Ident:
		if value, ok := s.constants[e.Name]; ok {
			return s.text(value)
		}
	}
	s.complain(expression)
	return ""
}

// texts are the values of a []string{…}, or of nil.
func (s *source) texts(expression ast.Expr) []string {
	if isName(expression, "nil") {
		return nil
	}
	list, ok := expression.(*ast.CompositeLit)
	if !ok {
		s.complain(expression)
		return nil
	}
	var values []string
	for _, element := range list.Elts {
		values = append(values, s.text(element))
	}
	return values
}

// level is a stability level, as metrics.BETA.
func (s *source) level(expression ast.Expr) string {
	selector, ok := expression.(*ast.SelectorExpr)
	if !ok {
		s.complain(expression)
		return ""
	}
	return selector.Sel.Name
}

func (s *source) complain(node ast.Node) {
	s.errs = append(s.errs, fmt.Errorf("%s: the documentation is made from the source: write metrics out, with literals or constants of the package", s.positions.Position(node.Pos())))
}
