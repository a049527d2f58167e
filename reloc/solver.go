package reloc

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// solver is one run of Match: it decides where the functions of pre are, by what the
// comparer says of each at each place.
type solver struct {
	ctx   context.Context
	log   *slog.Logger
	c     *prove.Comparer
	tried *attempts

	funcs []fn
	fnOf  []int32 // by atom: index into funcs, -1 for what is no function
	// home is the module that the object turned out to be linked into: an
	// object is linked as a whole.
	home int
	values
	agenda
	chains
	told *facts // what other objects say; see MatchAll
	// described are the functions that unwinding records of pre describe.
	described map[object.AtomID]bool
}

// values are what keys turned out to be.
type values struct {
	atomAt []*value             // of atoms
	others map[prove.Key]*value // of all other keys
	stakes []stake              // by atom: where the proposals of a round have it
	round  int
}

// agenda is which functions to look at again.
type agenda struct {
	watch  map[prove.Key][]int32 // functions that wait for a value
	dirty  []int32
	queued []bool // by function: it is among dirty
}

// value is what a key turned out to be.
type value struct {
	value uint64
	soft  bool
	from  []object.AtomID // ascending, at most maxFrom
}

// stake is where a proposal has an atom, in one round.
type stake struct {
	round int
	value uint64
}

const maxFrom = 8

// fn is a function on its way to a verdict.
type fn struct {
	atom  *object.Atom
	weak  bool
	fixed int // bytes outside of holes
	candidates
	outcome
	// places are the run addresses of places inside the function that others
	// refer to.
	places []prove.Binding
}

// candidates are the places where a function may be.
type candidates struct {
	cands  []cand   // by address
	more   bool     // there are more than can be tried
	remain []uint64 // those that match, while it is open
	small  bool     // too small to be searched for
	pinned bool     // other objects leave one place for it
}

// outcome is what is decided about a function.
type outcome struct {
	open  bool // nothing is, yet
	state Verdict
	by    Evidence
	freed bool     // a running kernel has it no more
	done  *attempt // when matched
	fail  *attempt // the failed one that got furthest
	err   *prove.Difference
}

// cand is a place where a function may be.
type cand struct {
	addr  uint64
	by    Evidence
	start bool // found by search where an unwinding record starts
}

// maxCands bounds the places at which one function is tried.
const maxCands = 256

func newSolver(ctx context.Context, pre *object.Object, img *image.Image, opt Options) (*solver, error) {
	if err := missing(pre); err != nil {
		return nil, err
	}
	only := image.NoModule
	if opt.Module != "" {
		only = slices.IndexFunc(img.Modules(), func(x image.Module) bool { return x.Name == opt.Module || x.Path == opt.Module })
		if only < 0 {
			return nil, fmt.Errorf("module %q: the image has no such module", opt.Module)
		}
	}
	m := &solver{ctx: ctx, log: opt.Logger, c: prove.New(pre, img, opt.NoSymbols, only), home: image.NoModule}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.fnOf = m.c.FuncIndex()
	list := slices.Collect(prove.Functions(pre))
	m.funcs = make([]fn, 0, len(list))
	for _, a := range list {
		m.funcs = append(m.funcs, fn{atom: a, outcome: outcome{open: true}, fixed: prove.FixedBytes(a), weak: m.c.IsWeakAtom(a)})
	}
	m.tried = newAttempts(m.c, len(m.funcs))
	m.values = values{atomAt: make([]*value, len(pre.Atoms)), others: make(map[prove.Key]*value), stakes: make([]stake, len(pre.Atoms))}
	m.agenda = agenda{watch: make(map[prove.Key][]int32), queued: make([]bool, len(m.funcs))}
	return m, nil
}

// check is that of the attempts that are kept.
func (m *solver) check(id object.AtomID, addr uint64) *attempt { return m.tried.check(id, addr) }

// known returns the value of a key, or nil.
func (m *values) known(k prove.Key) *value {
	if k.Space == prove.InAtom && k.Off == 0 {
		return m.atomAt[k.ID]
	}
	return m.others[k]
}

// set makes v the value of a key.
func (m *values) set(k prove.Key, v *value) {
	if k.Space == prove.InAtom && k.Off == 0 {
		m.atomAt[k.ID] = v
	} else {
		m.others[k] = v
	}
}

// run reads like the method: what symbols say, then what bytes say, then weaker
// and weaker hints, each time as far as it goes. What is too small to be found at
// once is searched for last, where it is not known by then.
func (m *solver) run() (*Result, error) {
	m.seedSymbols()
	if err := m.propagate(0); err != nil {
		return nil, err
	}
	for _, look := range []func() error{m.search, m.scanRest} {
		if err := look(); err != nil {
			return nil, err
		}
		if err := m.solveAllTiers(); err != nil {
			return nil, err
		}
	}
	if err := m.constants(); err != nil {
		return nil, err
	}
	return m.result(), nil
}

// scanRest scans for what the samples of a file do not tell, unless other objects
// may tell it.
func (m *solver) scanRest() error {
	if m.c.Image.Samples() == nil || m.told != nil && m.told.early {
		return nil
	}
	return m.scan()
}

// solveAllTiers decides what can be, with all hints.
func (m *solver) solveAllTiers() error {
	for tier := range tiers {
		for more := true; more; {
			if err := m.propagate(tier); err != nil {
				return err
			}
			more = m.byOrder() // before little is made of a few bytes
		}
	}
	for {
		progress := false
		for _, hint := range []func() bool{m.byCallees, m.byOrder, m.byPointers, m.byFile, m.byLayout} {
			if err := m.ctx.Err(); err != nil {
				return err
			}
			if hint() {
				if err := m.propagate(len(tiers) - 1); err != nil {
					return err
				}
				progress = true
				break
			}
		}
		if !progress {
			return nil
		}
	}
}

// seedSymbols makes candidates of run's symbols.
func (m *solver) seedSymbols() {
	for i := range m.funcs {
		f := &m.funcs[i]
		if f.pinned {
			m.queue(int32(i))
			continue
		}
		list := m.c.AtomPlaces(f.atom.ID)
		for _, p := range list {
			if m.c.InScope(p.Module) && !m.c.IsFreed(p.Addr) {
				m.addCand(f, cand{addr: p.Addr, by: BySymbol})
			}
		}
		if m.wasFreed(f, list) {
			f.cands, f.open, f.freed = nil, false, true
			continue
		}
		m.queue(int32(i))
	}
}

// addCand adds a candidate, in order. It reports whether it is new.
func (m *solver) addCand(f *fn, c cand) bool {
	i, found := slices.BinarySearchFunc(f.cands, c, func(a, b cand) int { return cmp.Compare(a.addr, b.addr) })
	switch {
	case found:
		return false
	case len(f.cands) >= maxCands:
		f.more = true
		return false
	}
	f.cands = slices.Insert(f.cands, i, c)
	return true
}

func (m *solver) queue(i int32) {
	if m.funcs[i].open && !m.queued[i] {
		m.queued[i] = true
		m.dirty = append(m.dirty, i)
	}
}
