// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

const (
	plotWidth, plotHeight = 16 * vg.Centimeter, 9 * vg.Centimeter
	// fewestCalls is how many calls a distribution must have to be worth a plot.
	fewestCalls = 20
	// mostSeries keeps a plot readable.
	mostSeries = 6
)

// picture is one plot of a result.
type picture struct {
	title, file string
	x, y        string
	logarithmic bool
	curves      []Curve
}

// plots lists the pictures of a result: how latencies are distributed, how they went
// over time, and its curves.
func (r *Result) plots() []picture {
	var distribution, course []Curve
	for _, l := range r.Latencies {
		if len(l.Sample) < fewestCalls || len(distribution) == mostSeries {
			continue
		}
		distribution = append(distribution, Curve{Name: l.Name, Points: l.distribution()})
		course = append(course, Curve{Name: l.Name, Points: l.course()})
	}
	var pictures []picture
	if len(distribution) > 0 {
		pictures = append(pictures,
			picture{title: r.Scenario + ": distribution", file: r.Scenario + "-distribution.svg", x: "ms", y: "share of calls", logarithmic: true, curves: distribution},
			picture{title: r.Scenario + ": over time", file: r.Scenario + "-course.svg", x: "s", y: "ms", curves: course})
	}
	for i, curve := range r.Curves {
		pictures = append(pictures, picture{
			title: r.Scenario + ": " + curve.Name, file: fmt.Sprintf("%s-curve-%d.svg", r.Scenario, i), x: curve.XLabel, y: curve.YLabel, curves: []Curve{curve},
		})
	}
	return pictures
}

func (l Latency) distribution() []Point {
	sorted := slices.Sorted(slices.Values(l.Sample))
	points := make([]Point, len(sorted))
	for i, took := range sorted {
		points[i] = Point{X: Milliseconds(took), Y: float64(i+1) / float64(len(sorted))}
	}
	return points
}

func (l Latency) course() []Point {
	points := make([]Point, len(l.Sample))
	for i, took := range l.Sample {
		points[i] = Point{X: l.Starts[i].Seconds(), Y: Milliseconds(took)}
	}
	slices.SortFunc(points, func(a, b Point) int { return int((a.X - b.X) * 1e9) })
	return points
}

// WritePlots writes an SVG for each picture of a run into a directory.
func WritePlots(dir string, run *Run) error {
	for _, result := range run.Results {
		for _, picture := range result.plots() {
			if err := picture.write(filepath.Join(dir, picture.file)); err != nil {
				return fmt.Errorf("plotting %s: %w", picture.title, err)
			}
		}
	}
	return nil
}

func (p picture) write(path string) error {
	drawn := plot.New()
	drawn.Title.Text, drawn.X.Label.Text, drawn.Y.Label.Text = p.title, p.x, p.y
	drawn.Legend.Top = !p.logarithmic
	if p.logarithmic {
		drawn.X.Scale, drawn.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{}
	}
	drawn.Add(plotter.NewGrid())
	for i, curve := range p.curves {
		points := make(plotter.XYs, len(curve.Points))
		for j, point := range curve.Points {
			points[j] = plotter.XY(point)
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return fmt.Errorf("drawing %s: %w", curve.Name, err)
		}
		line.Color = plotutil.Color(i)
		drawn.Add(line)
		if len(p.curves) > 1 {
			drawn.Legend.Add(curve.Name, line)
		}
	}
	return drawn.Save(plotWidth, plotHeight, path)
}
