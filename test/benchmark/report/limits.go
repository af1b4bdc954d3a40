// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// Limit is what a ratio may be. A nil bound does not bind.
type Limit struct {
	Most  *float64 `json:"most,omitempty"`
	Least *float64 `json:"least,omitempty"`
}

// Limits by the name of a ratio.
type Limits map[string]Limit

// ReadLimits reads limits.yaml. Unknown fields are refused: a limit with a typing error
// would hold nothing.
func ReadLimits(path string) (Limits, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the limits: %w", err)
	}
	limits := Limits{}
	if err := yaml.UnmarshalStrict(raw, &limits); err != nil {
		return nil, fmt.Errorf("reading the limits in %s: %w", path, err)
	}
	for name, limit := range limits {
		if (limit.Most == nil) == (limit.Least == nil) {
			return nil, fmt.Errorf("reading the limits in %s: %s needs either most or least", path, name)
		}
	}
	return limits, nil
}

func (l Limit) String() string {
	if l.Most != nil {
		return fmt.Sprintf("≤ %v", *l.Most)
	}
	return fmt.Sprintf("≥ %v", *l.Least)
}

// Holds says whether a value keeps the limit.
func (l Limit) Holds(value float64) bool {
	if l.Most != nil {
		return value <= *l.Most
	}
	return value >= *l.Least
}

// Missed lists the ratios of a run that do not keep their limits.
func (l Limits) Missed(run *Run) []string {
	var missed []string
	for _, result := range run.Results {
		for _, ratio := range result.Ratios {
			if limit, found := l[ratio.Name]; found && !limit.Holds(ratio.Value) {
				missed = append(missed, fmt.Sprintf("%s is %.2f, must be %s", ratio.Name, ratio.Value, limit))
			}
		}
	}
	return missed
}
