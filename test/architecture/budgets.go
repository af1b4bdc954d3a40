// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"fmt"
	"strings"
)

// The budgets. Names say what is counted; a value is the most that is allowed.
const (
	maxFileLines        = 400
	maxTestFileLines    = 600
	maxFunctionLines    = 60
	maxCreateLines      = 40
	maxConstructorLines = 40
	maxParameters       = 5
	maxNesting          = 3
)

// dictated are methods whose parameters an interface of k8s.io/apiserver fixes, so that no struct can shorten them.
var dictated = map[string]int{
	"Update":           7, // rest.Updater
	"Delete":           7, // storage.Interface; rest.GracefulDeleter has 4
	"GuaranteedUpdate": 7, // storage.Interface
}

// CheckBudgets holds one file and its functions to the budgets.
func CheckBudgets(file *File) []Finding {
	if file.Foreign || file.Generated() {
		return nil
	}
	var findings []Finding
	limit := maxFileLines
	if file.Test() {
		limit = maxTestFileLines
	}
	if file.Lines > limit {
		findings = append(findings, Finding{file.Path, "file-lines",
			fmt.Sprintf("%d lines, at most %d: split it by what its parts own", file.Lines, limit)})
	}
	for _, function := range file.Functions() {
		findings = append(findings, checkFunction(function)...)
	}
	return findings
}

func checkFunction(f Function) []Finding {
	limit := lineLimit(f)
	checks := []struct {
		broken bool
		rule   string
		detail string
	}{
		{f.Lines > limit, "function-lines", fmt.Sprintf("%d lines, at most %d: give a part of it a name", f.Lines, limit)},
		{f.Parameters > parameterLimit(f), "parameters", fmt.Sprintf("%d parameters, at most %d: use a struct", f.Parameters, maxParameters)},
		{f.Nesting > maxNesting, "nesting", fmt.Sprintf("%d blocks deep, at most %d: return early or extract", f.Nesting, maxNesting)},
		{f.Constructor() && f.Goroutines > 0, "constructor-starts", "a constructor starts nothing: move the go statement to Run(ctx)"},
		{len(f.NakedBools) > 0, "naked-bool", "true or false says nothing at the call of " + strings.Join(f.NakedBools, ", ") + ": use a named type or a struct"},
	}
	var findings []Finding
	for _, check := range checks {
		if check.broken {
			findings = append(findings, Finding{f.String(), check.rule, check.detail})
		}
	}
	return findings
}

func lineLimit(f Function) int {
	switch {
	case f.Name == "Create" && f.Receiver != "" && within(f.Path, "pkg/registry"):
		return maxCreateLines
	case f.Constructor() && !strings.HasSuffix(f.Path, "_test.go"):
		return maxConstructorLines
	default:
		return maxFunctionLines
	}
}

func parameterLimit(f Function) int {
	if f.Receiver == "" {
		return maxParameters
	}
	return max(maxParameters, dictated[f.Name])
}
