//go:build linux && amd64

package process

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkApplyRevert applies and reverts an update of three functions.
// pause-ns is what the process notices of the decisive stop of Apply.
func BenchmarkApplyRevert(b *testing.B) {
	for _, threads := range []int{1, 4, 200} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			p := program(b, configNamed("O2-pie"), "pair")
			v := start(b, p.program, fmt.Sprint(threads-1))
			v.ask(1)
			u := v.update(p)
			var apply, revert int64
			b.ReportAllocs()
			for b.Loop() {
				r, err := Apply(context.Background(), v.pid, u, Options{})
				if err != nil {
					b.Fatal(err)
				}
				apply += int64(r.Pause)
				if r, err = Revert(context.Background(), v.pid, "", Options{}); err != nil {
					b.Fatal(err)
				}
				revert += int64(r.Pause)
			}
			b.ReportMetric(float64(apply)/float64(b.N), "pause-ns/op")
			b.ReportMetric(float64(revert)/float64(b.N), "revert-pause-ns/op")
		})
	}
}
