package module_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// pausePlot draws how long a processor is away by the number of tasks, both logarithmic, with a line for each
// update.
func pausePlot(rows []pauseRow) string {
	const width, height, left, bottom = 640, 400, 80, 50
	lowX, highX := math.Log10(50), math.Log10(30000)
	lowY, highY := math.Log10(1e3), math.Log10(1e9) // nanoseconds
	x := func(tasks int) float64 {
		return left + (math.Log10(float64(tasks))-lowX)/(highX-lowX)*(width-left-20)
	}
	y := func(d time.Duration) float64 {
		return height - bottom - (math.Log10(float64(max(d, 1)))-lowY)/(highY-lowY)*(height-bottom-20)
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", width, height)
	for d := time.Microsecond; d <= time.Second; d *= 10 {
		fmt.Fprintf(&s, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%v</text>`+"\n", left, y(d), width-20, left-6, y(d)+4, d)
	}
	for _, n := range []int{100, 1000, 16000} {
		fmt.Fprintf(&s, `<path d="M%.1f 20V%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%d tasks</text>`+"\n", x(n), height-bottom, x(n), height-bottom+18, n)
	}
	fmt.Fprintf(&s, `<text x="%d" y="%d" text-anchor="middle">most that a processor is away, one instruction a nanosecond</text>`+"\n", width/2, height-8)
	lines := map[string][]pauseRow{}
	var order []string
	for _, r := range rows {
		name := fmt.Sprintf("%s, %d", r.method, r.functions)
		if lines[name] == nil {
			order = append(order, name)
		}
		lines[name] = append(lines[name], r)
	}
	colors := []string{"#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#555"}
	for i, name := range order {
		var points []string
		for _, r := range lines[name] {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(r.tasks), y(r.away)))
		}
		color := colors[i%len(colors)]
		fmt.Fprintf(&s, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/><text x="%d" y="%d" fill="%s">%s functions</text>`+"\n", strings.Join(points, " "), color, left+10, 34+16*i, color, name)
	}
	s.WriteString("</svg>\n")
	return s.String()
}

// TestEntry reads lines of both tracers.
func TestEntry(t *testing.T) {
	for _, c := range []struct {
		tracer, line, name string
		at, took           time.Duration
	}{
		{"function", "     migration/0-15      [000] d..1. 22310044907: multi_cpu_stop <-cpu_stopper_thread", "multi_cpu_stop", 22310044907, 0},
		{"function_graph", " 224636.431089 |   0) # 1234.567 us |  klp_try_complete_transition();", "klp_try_complete_transition", 224636431089000, 1234567},
		{"function_graph", " 224636.431089 |   0)   7.135 us    |  klp_start_transition();", "klp_start_transition", 224636431089000, 7135},
	} {
		at, took, name, ok := entry(c.tracer, c.line)
		if !ok || name != c.name || (at-c.at).Abs() > time.Microsecond/10 || took != c.took {
			t.Errorf("%q: %v %v %q %v", c.line, at, took, name, ok)
		}
	}
}
