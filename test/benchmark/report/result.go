// SPDX-License-Identifier: Apache-2.0

package report

import (
	"time"

	"agents.x-k8s.io/sandbox-apiserver/test/benchmark/measure"
)

// Run is one run of the benchmark.
type Run struct {
	Machine Machine   `json:"machine"`
	Results []*Result `json:"results"`
}

// Machine is where and when a run took place.
type Machine struct {
	Time   time.Time `json:"time"`
	CPUs   int       `json:"cpus"`
	Model  string    `json:"model"`
	Memory uint64    `json:"memoryBytes"`
	Commit string    `json:"commit"`
	Scale  float64   `json:"scale"`
}

// Result is what one scenario found.
type Result struct {
	Scenario string `json:"scenario"`
	// About says in a sentence what was done.
	About string `json:"about"`
	// Latencies by series, floors among them.
	Latencies []Latency `json:"latencies,omitempty"`
	// Figures are all other values.
	Figures []Figure `json:"figures,omitempty"`
	// Ratios stand beside a limit, if limits.yaml has one of this name.
	Ratios []Ratio `json:"ratios,omitempty"`
	// Usage of each process during the scenario.
	Usage map[string]measure.Usage `json:"usage,omitempty"`
	// Curves are cost over size, or something else over something else.
	Curves []Curve `json:"curves,omitempty"`
}

// Latency is one series of calls.
type Latency struct {
	Name      string            `json:"name"`
	Quantiles measure.Quantiles `json:"quantiles"`
	// Errors counts the calls that failed; they are not in the quantiles.
	Errors int `json:"errors"`
	// FirstError is the text of one of them.
	FirstError string `json:"firstError,omitempty"`
	// Sample holds the latencies themselves, in the order of the calls.
	Sample []time.Duration `json:"sample"`
	// Starts are when the calls of Sample were due.
	Starts []time.Duration `json:"starts"`
}

// Figure is a value with its unit.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Ratio is a value that machines can be compared by.
type Ratio struct {
	// Name is "<scenario>/<what>", which limits.yaml refers to.
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	// Of says what is divided by what, or what the value is.
	Of string `json:"of"`
	// Samples are the value in each round, where there were several.
	Samples []float64 `json:"samples,omitempty"`
}

// Curve is a line of a plot.
type Curve struct {
	Name   string  `json:"name"`
	XLabel string  `json:"x"`
	YLabel string  `json:"y"`
	Points []Point `json:"points"`
}

// Point of a curve.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// AddCalls adds a series and returns its quantiles.
func (r *Result) AddCalls(name string, calls []measure.Call) measure.Quantiles {
	latency := Latency{Name: name, Quantiles: measure.Summarize(calls), Errors: measure.Failed(calls)}
	for _, call := range calls {
		if call.Err != nil {
			if latency.FirstError == "" {
				latency.FirstError = call.Err.Error()
			}
			continue
		}
		latency.Sample = append(latency.Sample, call.Took)
		latency.Starts = append(latency.Starts, call.Start)
	}
	r.Latencies = append(r.Latencies, latency)
	return latency.Quantiles
}

// AddFigure adds a value.
func (r *Result) AddFigure(name string, value float64, unit string) {
	r.Figures = append(r.Figures, Figure{Name: name, Value: value, Unit: unit})
}

// AddRatio adds the median of a ratio's rounds.
func (r *Result) AddRatio(name, of string, rounds ...float64) {
	ratio := Ratio{Name: r.Scenario + "/" + name, Value: measure.Median(rounds), Of: of}
	if len(rounds) > 1 {
		ratio.Samples = rounds
	}
	r.Ratios = append(r.Ratios, ratio)
}

// Milliseconds is the unit of all latencies in reports.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
