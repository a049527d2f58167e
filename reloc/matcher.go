package reloc

import (
	"cmp"
	"context"
	"debug/elf"
	"fmt"
	"log/slog"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
)

// matcher is one run of Match.
type matcher struct {
	ctx  context.Context
	pre  *object.Object
	img  *image.Image
	opt  Options
	log  *slog.Logger
	only int // the module that Options.Module names, or NoModule

	view        *image.View
	stubs       map[uint64]stub
	sites       []site
	siteAt      []int32 // by atom: where its sites start
	rows        map[object.AtomID][]codeRow
	runRows     *[rowKinds][]image.Row
	rowHints    [rowKinds]int
	rowPlaces   []uint64 // room for what the rows of a function are about
	cluster     siteMatch
	linked      bool                 // a dynamic linker links run
	atomNames   [][]place            // by atom, nil for what was not looked up
	symbolNames [][]place            // by symbol, likewise
	files       []elfobj.SymbolIndex // the STT_FILE symbols of pre, behind a 0
	trials      trials
	spareUse    *use
	binds       slab[binding] // what trials have found
	consts      slab[int32]

	plans      []plan // of funcs
	classes    []class
	classBinds []binding // what the classes mean
	// epoch counts the changes of what classModule and classVolatile say of
	// the region that the classes hold for, serials the comparisons, of which
	// serial is the one that is being made.
	epoch, serial, serials uint32
	classModule            int
	classVolatile          bool

	funcs []fn
	fnOf  []int32 // by atom: index into funcs, -1 for what is no function
	// home is the module that the object turned out to be linked into: an
	// object is linked as a whole.
	home int
	// atomAt holds the values of atoms, values all others.
	atomAt []*value
	values map[key]*value
	claims []claim // by atom: where the proposals of a round have it
	round  int
	watch  map[key][]int32 // functions that wait for a value
	dirty  []int32         // functions to look at again
	queued []bool
	// following says that code is compared that is live elsewhere.
	following bool
	chains    [][]int32
	link      []link // by function: its place in the chains
	told      *facts // what other objects say; see MatchAll
	// described are the functions that unwinding records of pre describe.
	described map[object.AtomID]bool
}

// value is what a key turned out to be.
type value struct {
	value uint64
	soft  bool
	from  []object.AtomID // ascending, at most maxFrom
}

// claim is where a proposal has an atom, in one round.
type claim struct {
	round int
	value uint64
}

const maxFrom = 8

// fn is a function on its way to a verdict.
type fn struct {
	atom  *object.Atom
	cands []cand // by address
	more  bool   // there are more candidates than can be tried
	state Verdict
	by    Evidence
	weak  bool
	open  bool
	freed bool    // a running kernel has it no more
	fixed int     // bytes outside of holes
	named []int32 // see namesakes
	done  *trial  // when matched
	fail  *trial  // the failed trial that got furthest
	err   *MismatchError
	// places are the run addresses of places inside the function that others
	// refer to.
	places []binding
	remain []uint64 // candidates that match, while it is open
	small  bool     // too small to be searched for
	pinned bool     // other objects leave one place for it
}

// cand is a place where a function may be.
type cand struct {
	addr  uint64
	by    Evidence
	start bool // found by search where an unwinding record starts
}

// maxCands bounds the places at which one function is tried.
const maxCands = 256

func newMatcher(ctx context.Context, pre *object.Object, img *image.Image, opt Options) (*matcher, error) {
	if err := missing(pre); err != nil {
		return nil, err
	}
	m := &matcher{
		ctx: ctx, pre: pre, img: img, opt: opt, log: opt.Logger, only: image.NoModule, home: image.NoModule,
		view:        image.NewView(img),
		stubs:       make(map[uint64]stub),
		sites:       findSites(pre),
		rows:        findRows(pre),
		atomNames:   make([][]place, len(pre.Atoms)),
		symbolNames: make([][]place, len(pre.Symbols())),
		linked:      img.IsLinked(),
		trials:      trials{byAtom: make([]*trial, len(pre.Atoms))},
		values:      make(map[key]*value),
		watch:       make(map[key][]int32),
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if opt.Module != "" {
		m.only = slices.IndexFunc(img.Modules(), func(x image.Module) bool { return x.Name == opt.Module || x.Path == opt.Module })
		if m.only < 0 {
			return nil, fmt.Errorf("module %q: the image has no such module", opt.Module)
		}
	}
	m.siteAt = indexSites(m.sites, len(pre.Atoms))
	m.fnOf = make([]int32, len(pre.Atoms))
	for i := range m.fnOf {
		m.fnOf[i] = -1
	}
	for id, a := range pre.Functions() {
		if a.Size == 0 && a.Anonymous() {
			continue // an empty section
		}
		m.fnOf[id] = int32(len(m.funcs))
		m.funcs = append(m.funcs, fn{atom: a, open: true, fixed: fixedBytes(a), weak: m.isWeakAtom(a)})
	}
	m.makePlans()
	m.forgetTrials()
	m.queued = make([]bool, len(m.funcs))
	m.atomAt = make([]*value, len(pre.Atoms))
	m.claims = make([]claim, len(pre.Atoms))
	return m, nil
}

// known returns the value of a key, or nil.
func (m *matcher) known(k key) *value {
	if k.space == inAtom && k.off == 0 {
		return m.atomAt[k.id]
	}
	return m.values[k]
}

// set makes v the value of a key.
func (m *matcher) set(k key, v *value) {
	if k.space == inAtom && k.off == 0 {
		m.atomAt[k.id] = v
	} else {
		m.values[k] = v
	}
}

// fixedBytes counts the bytes of an atom that no hole owns.
func fixedBytes(a *object.Atom) int {
	n := len(a.Bytes)
	for i := range a.Refs {
		n -= int(fieldSize(&a.Refs[i]))
	}
	return max(n, 0)
}

// isWeakAtom reports whether another definition may have replaced an atom: it
// has a weak name, and no other that the linker knew, or that run knows.
func (m *matcher) isWeakAtom(a *object.Atom) bool {
	weak := false
	for _, i := range a.Symbols {
		switch s := m.sym(i); {
		case s.Value != a.Offset:
		case isWeak(s):
			weak = true
		case s.Bind() != elf.STB_LOCAL, s.Type() == elf.STT_FUNC && len(m.places(s)) > 0:
			return false
		}
	}
	return weak
}

var noSymbol elfobj.Symbol

// sym returns a symbol of pre; implicit references have none.
func (m *matcher) sym(i elfobj.SymbolIndex) *elfobj.Symbol {
	if int(i) >= len(m.pre.Symbols()) {
		return &noSymbol
	}
	return m.pre.Symbol(i)
}

// run reads like the method: what symbols say, then what bytes say, then weaker
// and weaker hints, each time as far as it goes. What is too small to be found at
// once is searched for last, where it is not known by then.
func (m *matcher) run() (*Result, error) {
	m.seedSymbols()
	if err := m.settle(0); err != nil {
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
	return m.result(), nil
}

// scanRest scans for what the samples of a file do not tell, unless other objects
// may tell it.
func (m *matcher) scanRest() error {
	if m.img.Samples() == nil || m.told != nil && m.told.early {
		return nil
	}
	return m.scan()
}

// solveAllTiers settles what can be, with all hints.
func (m *matcher) solveAllTiers() error {
	for tier := range tiers {
		for more := true; more; {
			if err := m.settle(tier); err != nil {
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
				if err := m.settle(len(tiers) - 1); err != nil {
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
func (m *matcher) seedSymbols() {
	for i := range m.funcs {
		f := &m.funcs[i]
		if f.pinned {
			m.queue(int32(i))
			continue
		}
		list := m.atomPlaces(f.atom.ID)
		for _, p := range list {
			if m.inScope(p.module) && !m.isFreed(p.addr) {
				m.addCand(f, cand{addr: p.addr, by: BySymbol})
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
func (m *matcher) addCand(f *fn, c cand) bool {
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

func (m *matcher) queue(i int32) {
	if m.funcs[i].open && !m.queued[i] {
		m.queued[i] = true
		m.dirty = append(m.dirty, i)
	}
}
