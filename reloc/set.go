package reloc

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/progress"
	"github.com/gosplice/gosplice/reloc/image"
)

// A Set is what matching found out about objects that are linked together.
type Set struct {
	Results []*Result // by object
	// Conflicts are the global symbols to which the code of different objects
	// gives different values, by name: code that leads to something else than
	// what its source names, though nothing in its own object contradicts it.
	Conflicts []Conflict
}

// A Conflict is a global symbol with more than one value.
type Conflict struct {
	Name   string
	Claims []Claim // by address
}

// A Claim is one of the values of a [Conflict].
type Claim struct {
	Address uint64
	Object  int // the first that says so
	Objects int // how many do
}

// MatchAll finds objects in run that are linked into one kernel or program, and
// lets them help each other: what the code of one says about a global symbol tells
// where another one has it, and where a linker keeps the order of its files, as
// those of kernels do, what stands between the functions of two files belongs to
// the files between them. That decides about functions of a few bytes, and copies,
// without any symbol of run.
//
// open opens object i of n. It is called more than once for an object that is not
// decided at once, from several goroutines, and the objects are not kept. The
// result does not depend on their order. The first error ends it: that of open, or
// one of [Match] with the name of the object.
func MatchAll(ctx context.Context, n int, open func(i int) (*object.Object, error), img *image.Image, opt Options) (*Set, error) {
	if n < 0 {
		return nil, fmt.Errorf("match: %d objects", n)
	}
	s := &set{open: open, img: img, opt: opt, results: make([]*Result, n), found: make([]*summary, n), pins: make([]map[string]uint64, n), padding: make(map[span]bool)}
	todo := make([]int, n)
	for i := range todo {
		todo[i] = i
	}
	s.tellAll()
	for at, rounds := stageValues, 0; at <= stageScan; {
		more, err := s.match(ctx, todo)
		if err != nil {
			return nil, err
		}
		if todo = s.undecided(); len(todo) == 0 {
			break
		}
		if rounds++; !more || rounds == maxRounds {
			at, rounds = at+1, 0
		}
		s.learn(todo, at)
	}
	return &Set{Results: s.results, Conflicts: s.conflicts()}, nil
}

// maxRounds bounds how often an object is matched in one stage.
const maxRounds = 16

// set is one run of MatchAll.
type set struct {
	open    func(i int) (*object.Object, error)
	img     *image.Image
	opt     Options
	results []*Result
	found   []*summary          // by object
	told    []*facts            // by object, what the others say
	pins    []map[string]uint64 // by object and chain: where it starts
	padding map[span]bool       // memory that no function claims, and that holds none
	again   bool                // all were matched once
}

// stageNames are the stages of [Options].Progress: the first round, and the others.
var stageNames = map[bool]string{false: "match", true: "match again"}

// match matches objects with what is known by now. It reports whether more
// functions are matched than before, or there is more to say about the others.
func (s *set) match(ctx context.Context, todo []int) (more bool, err error) {
	before := make([]int, len(todo))
	for k, i := range todo {
		if s.found[i] != nil {
			before[k] = s.found[i].progress()
		}
	}
	count := progress.Func(s.opt.Progress).Begin(stageNames[s.again], len(todo))
	s.again = true
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range todo {
		g.Go(func() error {
			defer count.Done()
			return s.matchOne(ctx, i)
		})
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	for k, i := range todo {
		more = more || s.found[i].progress() > before[k]
	}
	return more, nil
}

func (s *set) matchOne(ctx context.Context, i int) error {
	pre, err := s.open(i)
	if err != nil {
		return err
	}
	m, err := newSolver(ctx, pre, s.img, s.opt)
	if err != nil {
		return fmt.Errorf("%s: %w", pre.Name(), err)
	}
	m.hear(s.told[i])
	r, err := m.run()
	if err != nil {
		return fmt.Errorf("%s: %w", pre.Name(), err)
	}
	s.results[i], s.found[i] = r, m.summarize(r)
	return nil
}

// undecided returns the objects with functions that have no place yet.
func (s *set) undecided() []int {
	var out []int
	for i, f := range s.found {
		if f.open > 0 {
			out = append(out, i)
		}
	}
	return out
}

// tellAll tells the objects nothing, but that others may tell more.
func (s *set) tellAll() {
	s.told = make([]*facts, len(s.found))
	for i := range s.told {
		s.told[i] = &facts{early: true}
	}
}

// stage is how much is done to decide. Each goes on as long as it decides something.
type stage uint8

const (
	stageValues stage = iota // symbols of others
	stageOrder               // and what other objects leave
	stageScan                // and a pass over the text for what is too small for samples
)

// learn prepares what the objects are told when they are matched again.
func (s *set) learn(todo []int, at stage) {
	names := s.names()
	var order *setOrder
	if at >= stageOrder {
		order = s.order()
	}
	for _, i := range todo {
		s.told[i] = &facts{values: names[s.found[i].home], pins: s.pins[i], early: at < stageScan}
		if order != nil {
			s.told[i].free = order.free(i)
		}
	}
}
