// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"fmt"
	"slices"
)

// Finding is one break of one rule.
type Finding struct {
	// Subject is a path below the root, for functions "path Receiver.Name".
	Subject string
	// Rule is the short name that an Exception repeats.
	Rule string
	// Detail says what is wrong and what to do.
	Detail string
}

// String is the line that a failing test prints.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s [%s]", f.Subject, f.Detail, f.Rule)
}

// Exception allows exactly one finding.
type Exception struct {
	Subject, Rule string
	// Reason says why the rule is wrong here. It must not be empty.
	Reason string
}

// Except takes the excepted findings out. The second result names exceptions that are to be deleted because they except
// nothing, and those without a reason: so the list can only shrink.
func Except(findings []Finding, exceptions []Exception) (left []Finding, bad []Exception) {
	for _, exception := range exceptions {
		before := len(findings)
		findings = slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool {
			return f.Subject == exception.Subject && f.Rule == exception.Rule
		})
		if len(findings) == before || exception.Reason == "" {
			bad = append(bad, exception)
		}
	}
	return findings, bad
}
