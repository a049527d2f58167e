package source_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// TestKeys changes functions of a module that have static branches and a tracepoint, whose keys are the
// module's: new code follows them whenever they are switched, also where the module comes after the update.
func TestKeys(t *testing.T) {
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) {
			if series != vmtest.Releases()[0] && !testenv.Asked(testenv.Long) {
				t.Skip("one kernel, unless long tests are asked for")
			}
			s := buildShelf(t, series)
			b, err := s.open(t, nil, s.shelf, s.store)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			plan, err := b.Plan(t.Context(), patchOf(t, b, "fix.patch",
				edit{"format.c", "&shelf_calm) || i > 0)\n", "&shelf_calm) || i > 1)\n\t\t\tseq_puts(m, i > 1 ? \"red \" : \"blue \"),\n"}))
			if err != nil {
				t.Fatal(err)
			}
			r, err := b.Build(t.Context(), plan)
			if err != nil || r.Update == nil {
				t.Fatalf("%v, %s: %v", err, r.Outcome, r.Refusals)
			}
			if i := slices.IndexFunc(r.Findings, func(f finding.Finding) bool { return f.Code == module.FindingTracing }); i >= 0 {
				t.Errorf("it does not tell all: %+v", r.Findings[i])
			}
			s.showKeys(t, vmtest.New(t, vm.Options{Kernel: &s.stock.Kernel, CPUs: 1, Log: vm.Policy{Taint: "OEK"}}), r.Update)
		})
	}
}

// What the module says with and without its keys.
const (
	loudBuilt   = "loud shelf: 25 of width 3\nloud shelf: 10 of width 9\n"
	calmPatched = "blue shelf: 50 of width 1\nblue shelf: 25 of width 3\nred shelf: 10 of width 9\n"
	loudPatched = "red loud shelf: 10 of width 9\n"
)

// showKeys switches the keys before, during and after the update.
func (s *shelf) showKeys(t *testing.T, m *vm.Machine, update *module.Module) {
	load := func(file string) {
		t.Helper()
		b, err := os.ReadFile(file)
		if err == nil {
			err = m.Load(t.Context(), b, "")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	reads := func(loud, want string) {
		t.Helper()
		if err := m.WriteFile(t.Context(), "/sys/module/shelf/parameters/loud", []byte(loud)); err != nil {
			t.Fatal(err)
		}
		if got, err := m.ReadFile(t.Context(), "/proc/shelf"); err != nil || string(got) != want {
			t.Errorf("it reads %q, want %q (%v)", got, want, err)
		}
	}
	load(s.store)
	for _, first := range []bool{true, false} {
		if first {
			load(s.shelf)
			reads("0", asBuilt)
			reads("1", loudBuilt)
		}
		patched(t, m, update)
		if !first {
			load(s.shelf)
		} else if got, err := m.ReadFile(t.Context(), "/proc/shelf"); err != nil || string(got) != loudPatched {
			t.Errorf("it reads %q, want %q (%v)", got, loudPatched, err)
		}
		reads("0", calmPatched)
		reads("1", loudPatched)
		reads("0", calmPatched)
		s.traces(t, m, []string{"width=1", "width=3", "width=9"})
		reads("1", loudPatched)
		reverted(t, m, update)
		reads("1", loudBuilt)
		reads("0", asBuilt)
		if err := m.Unload(t.Context(), "shelf"); err != nil {
			t.Fatal(err)
		}
	}
}

// traces has the tracepoint tell of what is read.
func (s *shelf) traces(t *testing.T, m *vm.Machine, want []string) {
	t.Helper()
	const tracing, enable = "/sys/kernel/tracing/", "/sys/kernel/tracing/events/shelf/shelf_row/enable"
	err := errors.Join(m.WriteFile(t.Context(), tracing+"trace", nil), m.WriteFile(t.Context(), enable, []byte("1")))
	_, err2 := m.ReadFile(t.Context(), "/proc/shelf")
	err3 := m.WriteFile(t.Context(), enable, []byte("0"))
	_, err4 := m.ReadFile(t.Context(), "/proc/shelf")
	said, err5 := m.ReadFile(t.Context(), tracing+"trace")
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(said)) {
		if _, what, ok := strings.Cut(line, ": shelf_row: "); ok {
			got = append(got, strings.TrimSpace(what))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("it tells %q, want %q: %s", got, want, said)
	}
}
