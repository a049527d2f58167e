package foresee_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// chunk is how many cycles go by between two words about them.
const chunk = 50

// TestCycles loads, disables and unloads livepatches while programs call the functions, with one
// processor and with two, and looks for what stays behind. "cycles=N" says how often, 10 times else.
func TestCycles(t *testing.T) {
	hours(t)
	n := testenv.Number(t, testenv.Cycles, 10)
	for cpus := 1; cpus <= 2; cpus++ {
		t.Run(fmt.Sprintf("%d processors", cpus), func(t *testing.T) {
			b := boot(t, "6.1", vm.Options{CPUs: cpus, Log: vm.Policy{Taint: "OEK"}})
			files := []string{
				b.put(t, "/one.ko", b.made(t, module.Options{Name: "one"}, cmdlineAs("fixed one"))),
				b.put(t, "/two.ko", b.made(t, module.Options{Name: "two"}, cmdlineAs("fixed two"), clockAs("<"))),
			}
			b.cycle(t, "cycle", 2*len(files), files...) // caches are warm
			stop := b.call(t, "/proc/cmdline", "", clock, "")
			before, start := b.usage(t), time.Now()
			for done := 0; done < n; done += chunk {
				b.cycle(t, "cycle", min(chunk, n-done), files...)
				t.Logf("%d cycles in %v", min(done+chunk, n), time.Since(start))
			}
			b.grown(t, n, before)
			c := stop()
			t.Logf("%d calls, %d processes", c.Calls, c.Processes)
			if c.Unfixed > 0 || c.Calls == 0 || c.Processes == 0 {
				t.Errorf("a call failed, or there was none: %+v", c)
			}
		})
	}
}
