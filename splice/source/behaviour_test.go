package source_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/behaviour"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
	"github.com/gosplice/gosplice/splice/source/distro"
	"github.com/gosplice/gosplice/splice/source/patch"
)

// TestBehaviour makes updates of patches, loads each into a stock kernel, and has a program
// there show what it does: see testdata/patches.
func TestBehaviour(t *testing.T) {
	vmtest.Long(t)
	all, err := behaviour.Load("testdata/patches")
	if err != nil {
		t.Fatal(err)
	}
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) {
			if series != vmtest.Releases()[0] && !testenv.Asked(testenv.Long) {
				t.Skip("one kernel, unless long tests are asked for")
			}
			s := &shown{kernel: &vmtest.Need(t, series).Kernel, builders: map[string]*source.Builder{}}
			list := slices.DeleteFunc(behaviour.For(series, all), func(c *behaviour.Case) bool {
				return !testenv.Asked(testenv.Long) && !slices.Contains(usual, c.Name)
			})
			boot := sync.OnceValue(func() *behaviour.Bench { return s.boot(t, list) })
			for _, c := range list {
				t.Run(c.Name, func(t *testing.T) { s.show(t, c, boot) })
			}
		})
	}
}

// usual are the cases that are shown when nobody asks for long tests: one of each kind that
// takes seconds.
var usual = []string{
	"alternatives", "assembly-msr", "bitfields", "callbacks-both", "callbacks-module", "cold-part", "dynamic-debug", "failed-compile",
	"float", "header-module",
}

// shown is a kernel in which patches are shown.
type shown struct {
	kernel   *vm.Kernel
	files    *distro.Files
	suite    string                     // of Debian, where the compiler is; "" is this system
	builders map[string]*source.Builder // by what a person says
}

// boot starts one guest for all cases. It has one processor: with two, an emulated kernel can
// hang when it rewrites its code often.
func (s *shown) boot(t *testing.T, list []*behaviour.Case) *behaviour.Bench {
	policy := vm.Policy{Taint: "OEK"}
	for _, c := range list {
		policy.Taint += c.Taint
		policy.Allow = append(policy.Allow, c.Allow...)
	}
	m := vmtest.New(t, vm.Options{Kernel: s.kernel, CPUs: 1, Log: policy})
	b, err := behaviour.NewBench(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// builder opens the kernel with the options of a case, once for each set of them.
func (s *shown) builder(t *testing.T, c *behaviour.Case) *source.Builder {
	t.Helper()
	key := fmt.Sprint(c.Opt, c.Accept)
	if b := s.builders[key]; b != nil {
		return b
	}
	ctx := vmtest.Context(t)
	cache, err := deb.OpenCache()
	if err == nil && s.files == nil {
		s.files, err = distro.Debian(ctx, s.kernel.Release, distro.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	f := s.files
	b, err := source.Open(ctx, source.Kernel{
		Release: f.Release, Source: f.Source, Config: f.Config, Image: f.Image, Modules: f.Modules, Symvers: f.Symvers, Objtool: f.Objtool, Make: f.Make,
	}, source.Options{
		Cache: cache.Dir(), Buildroot: s.suite, Module: module.Options{Name: "fix"}, Accept: c.Accept,
		InPlace: slices.Contains(c.Opt, "in-place"), Initials: slices.Contains(c.Opt, "initials"),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.builders[key] = b
	return b
}

// show makes the update of one patch, and tries it.
func (s *shown) show(t *testing.T, c *behaviour.Case, boot func() *behaviour.Bench) {
	testenv.Need(t, "gcc-12", "make", "flex", "bison", "bc", "xz")
	patches, err := patch.ReadFiles(c.Patch)
	if err != nil {
		t.Fatal(err)
	}
	patches[0].Name = c.Name + ".patch"
	var r *source.Result
	if err := s.builder(t, c).Each(t.Context(), patches, func(one *source.Result) error { r = one; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, st := range r.Stages {
		t.Logf("%s: %v", st.Name, st.Elapsed)
	}
	if n := len(r.Objects); n < c.Objects[0] || c.Objects[1] > 0 && n > c.Objects[1] {
		t.Errorf("%d objects, want %d to %d", n, c.Objects[0], c.Objects[1])
	}
	if c.Outcome != "any" && string(r.Outcome) != c.Outcome || len(missing(r, c.Refused)) > 0 {
		t.Errorf("%s, want %s %v; refusals %v; files %+v", r.Outcome, c.Outcome, missing(r, c.Refused), r.Refusals, r.Files)
	}
	if r.Update == nil || t.Failed() {
		return
	}
	if got := targetsOf(r.Update); !slices.Equal(got, slices.Sorted(slices.Values(c.Targets))) {
		t.Errorf("functions in %q are replaced, want %q", got, c.Targets)
	}
	u := behaviour.Update{Name: r.Update.Name, Image: r.Update.Bytes(), Pinned: r.Update.Pinned}
	if err := boot().Run(t.Context(), c, u); err != nil {
		t.Errorf("%v\npinned by %v", err, r.Update.Pins)
	}
}

// targetsOf returns what an update changes, sorted.
func targetsOf(m *module.Module) []string {
	var list []string
	for _, f := range m.Functions {
		if f.Module == "" {
			f.Module = "vmlinux"
		}
		list = append(list, f.Module)
	}
	if len(m.Data)+len(m.Initials) > 0 {
		list = append(list, "vmlinux")
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// missing returns the refusals and findings that are expected, and not there.
func missing(r *source.Result, want []behaviour.Refusal) []behaviour.Refusal {
	var found []finding.Finding
	for _, x := range r.Refusals {
		found = append(found, x.Finding)
	}
	for i := range r.Objects {
		found = append(found, r.Objects[i].Findings...)
	}
	return slices.DeleteFunc(slices.Clone(want), func(w behaviour.Refusal) bool {
		return slices.ContainsFunc(found, func(f finding.Finding) bool {
			return f.Code == w.Code && strings.Contains(f.Symbol, w.Symbol)
		})
	})
}
