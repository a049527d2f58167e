package foresee_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
)

// hours skips a test that takes hours when all of its trials are asked for, unless some are.
func hours(t *testing.T) {
	t.Helper()
	vmtest.Long(t)
	if !testenv.Asked(testenv.Long) && !testenv.Asked(testenv.Cycles) {
		t.Skip("trials are not asked for (long, or cycles=N)")
	}
}

// cycle has the guest load livepatches n times: see testdata/cycler.
func (b *bench) cycle(t *testing.T, what string, n int, files ...string) {
	t.Helper()
	r, err := b.vm.Run(t.Context(), vm.Command{Path: "/bin/cycler", Args: append([]string{what, strconv.Itoa(n)}, files...)})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 0 {
		t.Fatalf("%s: %d, %s%s", what, r.Status, r.Stdout, r.Stderr)
	}
}

// A counted is what testdata/caller has counted.
type counted struct {
	Calls, Processes, Unfixed int64
	First                     string // that ran unfixed code
}

// call has programs call functions all the time, until stop ends them.
func (b *bench) call(t *testing.T, marks ...string) (stop func() counted) {
	t.Helper()
	type result struct {
		r   *vm.Result
		err error
	}
	done, end := make(chan result, 1), "/stop."+strconv.FormatInt(time.Now().UnixNano(), 10)
	go func() {
		r, err := b.vm.Run(t.Context(), vm.Command{Path: "/bin/caller", Args: append([]string{end}, marks...)})
		done <- result{r, err}
	}()
	return func() (c counted) {
		b.put(t, end, nil)
		r := <-done
		if r.err == nil {
			r.err = json.Unmarshal(r.r.Stdout, &c)
		}
		if r.err != nil {
			t.Errorf("caller: %v, %+v", r.err, r.r)
		}
		return c
	}
}

// A usage is what a kernel has of memory, in KiB: by cache of the slab, and "modules".
type usage map[string]int

func (b *bench) usage(t *testing.T) usage {
	t.Helper()
	u := usage{}
	slabs, err := b.vm.ReadFile(t.Context(), "/proc/slabinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(slabs)) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		active, err := strconv.Atoi(f[1])
		size, bad := strconv.Atoi(f[3])
		if err == nil && bad == nil {
			u[f[0]] = active * size >> 10
		}
	}
	areas, err := b.vm.ReadFile(t.Context(), "/proc/vmallocinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(areas)) {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.Contains(f[2], "module") {
			continue
		}
		size, _ := strconv.Atoi(f[1])
		u["modules"] += size >> 10
	}
	return u
}

// grown reports caches that have grown by more than what n leaks of 16 bytes are. What a processor keeps for
// itself counts as in use, so that such caches are shrunk first.
func (b *bench) grown(t *testing.T, n int, before usage) {
	t.Helper()
	const noise, tries = 64, 10
	after := b.usage(t)
	for range tries {
		settled := true
		for name := range after {
			if name != "modules" && after[name]-before[name] > noise {
				settled = false
				b.write(t, "/sys/kernel/slab/"+name+"/shrink", "1")
			}
		}
		if settled {
			break
		}
		time.Sleep(100 * time.Millisecond) // for what RCU frees
		after = b.usage(t)
	}
	var all int
	for _, name := range slices.Sorted(maps.Keys(after)) {
		more := after[name] - before[name]
		all += more
		switch {
		case more > noise+n*16>>10:
			t.Errorf("%s: %d KiB before, %d behind it", name, before[name], after[name])
		case more > 16:
			t.Logf("%s: %d KiB before, %d behind it", name, before[name], after[name])
		}
	}
	t.Logf("in all %d KiB more", all)
}
