package reloc

import (
	"cmp"
	"maps"
	"slices"
	"sort"

	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// A linker puts the sections of files behind each other in the order of the files,
// and keeps that order in every output section. setOrder is that order, as far as
// matched functions tell, and what memory is left for those that are not matched.
type setOrder struct {
	s      *set
	chains map[string][]part // by address
	index  []position        // by object
	left   []span            // code that nobody taken
}

// part is an object's part of a chain.
type part struct {
	object int
	span
}

// position is where an object is in the order of .text: between two places of it, which
// are the same for objects that are in it.
type position struct {
	lo, hi int
	known  bool
}

// order finds the order of the objects. Linkers of programs drop and sort sections,
// so that there is none.
func (s *set) order() *setOrder {
	o := &setOrder{s: s, chains: make(map[string][]part), index: make([]position, len(s.found))}
	if !s.img.IsKernel() {
		return o
	}
	for i, f := range s.found {
		for name, e := range f.extents {
			o.chains[name] = append(o.chains[name], part{i, e})
		}
	}
	for name, list := range o.chains {
		slices.SortFunc(list, func(a, b part) int { return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.object, b.object)) })
		o.chains[name] = apart(list)
	}
	o.rankAll()
	o.left = s.unclaimed()
	o.pinAll()
	return o
}

// apart drops parts that overlap others: their order tells nothing.
func apart(list []part) []part {
	var out []part
	end := uint64(0)
	for k, p := range list {
		if p.lo >= end && (k+1 == len(list) || p.hi <= list[k+1].lo) {
			out = append(out, p)
		}
		end = max(end, p.hi)
	}
	return out
}

// rankAll ranks the objects of .text, and the others by their neighbours in other
// chains. What contradicts the order of .text in one of these is dropped there.
func (o *setOrder) rankAll() {
	main := o.chains[prove.MainChain]
	for k, p := range main {
		o.index[p.object] = position{k, k, true}
	}
	for _, name := range slices.Sorted(maps.Keys(o.chains)) {
		if name != prove.MainChain {
			o.chains[name] = o.inOrder(o.chains[name])
			o.rankBy(o.chains[name], len(main))
		}
	}
}

// inOrder drops the parts of a chain whose objects are in another order in .text.
func (o *setOrder) inOrder(list []part) []part {
	var exact []int
	var ranks []uint64
	for k, p := range list {
		if r := o.index[p.object]; r.known && r.lo == r.hi {
			exact, ranks = append(exact, k), append(ranks, uint64(r.lo))
		}
	}
	keep := make(map[int]bool)
	for _, k := range rising(ranks) {
		keep[exact[k]] = true
	}
	var out []part
	for k, p := range list {
		if r := o.index[p.object]; keep[k] || !r.known || r.lo < r.hi {
			out = append(out, p)
		}
	}
	return out
}

// rankBy ranks the objects that .text does not tell about by those next to them.
func (o *setOrder) rankBy(list []part, count int) {
	before := -1
	for k, p := range list {
		r := o.index[p.object]
		if r.known && r.lo == r.hi {
			before = r.lo
			continue
		}
		after := count
		for j := k + 1; j < len(list); j++ {
			if x := o.index[list[j].object]; x.known && x.lo == x.hi {
				after = x.lo
				break
			}
		}
		if r.known {
			before, after = max(before, r.lo), min(after, r.hi)
		}
		o.index[p.object] = position{before, after, before < after}
	}
}

// unclaimed returns the executable memory that no matched function lies in, but for
// padding.
func (s *set) unclaimed() []span {
	var taken []span
	for _, f := range s.found {
		taken = append(taken, f.taken...)
	}
	slices.SortFunc(taken, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	v := image.NewView(s.img)
	var out []span
	leave := func(gap span) {
		if gap.lo >= gap.hi || s.padding[gap] {
			return
		}
		if prove.IsFilled(v, gap.lo, gap.hi) {
			s.padding[gap] = true // nearly all: they are looked at once
			return
		}
		out = append(out, gap)
	}
	for i := range s.img.Regions() {
		r := &s.img.Regions()[i]
		if !r.Exec || !r.Read {
			continue
		}
		at := r.Start
		k := sort.Search(len(taken), func(k int) bool { return taken[k].lo >= r.Start })
		for ; k < len(taken) && taken[k].lo < r.End; k++ {
			leave(span{at, taken[k].lo})
			at = max(at, taken[k].hi)
		}
		leave(span{at, r.End})
	}
	return out
}

// between returns where a chain of an object may be: behind the nearest object in
// front of it that has a part of the chain, and in front of the nearest one behind.
func (o *setOrder) between(i int, name string) span {
	all := o.regions(name)
	out := all
	r := o.index[i]
	if !r.known {
		return out
	}
	for _, p := range o.chains[name] {
		q := o.index[p.object]
		if !q.known || p.object == i {
			continue
		}
		if q.hi <= r.lo {
			out.lo = max(out.lo, p.hi)
		} else if q.lo >= r.hi {
			out.hi = min(out.hi, p.lo)
		}
	}
	if out.lo > out.hi {
		return all
	}
	return out
}

// regions returns the memory of the output sections in which parts of a chain are.
func (o *setOrder) regions(name string) span {
	out := span{0, ^uint64(0)}
	parts := o.chains[name]
	if len(parts) == 0 {
		return out
	}
	if r := o.s.img.RegionAt(parts[0].lo); r != nil {
		out.lo = r.Start
	}
	if r := o.s.img.RegionAt(parts[len(parts)-1].lo); r != nil {
		out.hi = r.End
	}
	return out
}

// free returns the memory that each chain of an object may be in.
func (o *setOrder) free(i int) map[string][]span {
	if !o.s.img.IsKernel() {
		return nil
	}
	out := make(map[string][]span)
	for _, name := range o.s.found[i].chains {
		limits := o.between(i, name)
		var list []span
		k := sort.Search(len(o.left), func(k int) bool { return o.left[k].hi > limits.lo })
		for ; k < len(o.left) && o.left[k].lo < limits.hi; k++ {
			list = append(list, span{max(o.left[k].lo, limits.lo), min(o.left[k].hi, limits.hi)})
		}
		out[name] = list
	}
	return out
}

// pinAll pins chains that have one place left, and rows of them that fill what is
// between two others.
func (o *setOrder) pinAll() {
	open := make(map[string][]int)
	for i, f := range o.s.found {
		for _, name := range f.chains {
			open[name] = append(open[name], i)
		}
	}
	v := image.NewView(o.s.img)
	for _, name := range slices.Sorted(maps.Keys(open)) {
		o.pinSingle(name, open[name])
		o.pinSequences(name, open[name], v)
	}
}

// pinSingle pins chains that fit at one place, which is no other's only place. Where
// they have so few bytes that they may fit there by chance, that others leave no
// other place only says something when others claim most of the code.
func (o *setOrder) pinSingle(name string, objects []int) {
	users, most := make(map[uint64]int), o.takesMost()
	for _, i := range objects {
		if fits := o.s.found[i].fits[name]; len(fits) == 1 {
			users[fits[0].lo]++
		}
	}
	for _, i := range objects {
		if fits := o.s.found[i].fits[name]; len(fits) == 1 && users[fits[0].lo] == 1 && (most || !o.s.found[i].sparse[name]) {
			o.s.pin(i, name, fits[0].lo)
		}
	}
}

// takesMost reports whether the objects take up most of the code there is.
func (o *setOrder) takesMost() bool {
	claimed, left := uint64(0), uint64(0)
	for _, f := range o.s.found {
		for _, c := range f.taken {
			claimed += c.hi - c.lo
		}
	}
	for _, l := range o.left {
		left += l.hi - l.lo
	}
	return left < claimed
}

func (s *set) pin(i int, name string, start uint64) {
	if s.pins[i] == nil {
		s.pins[i] = make(map[string]uint64)
	}
	s.pins[i][name] = start
}

// pinSequences pins the chains of objects that follow each other, where these, one behind
// the other and with nothing but padding between them, fill what is between the
// parts of the object in front and the one behind.
func (o *setOrder) pinSequences(name string, objects []int, v *image.View) {
	groups := make(map[span][]int)
	for _, i := range objects {
		if r := o.index[i]; r.known && r.lo == r.hi {
			limits := o.between(i, name)
			groups[limits] = append(groups[limits], i)
		}
	}
	for limits, group := range groups {
		if len(o.chains[name]) == 0 {
			continue // no end of what they fill is known
		}
		slices.SortFunc(group, func(a, b int) int { return cmp.Compare(o.index[a].lo, o.index[b].lo) })
		starts := make([]uint64, len(group))
		cursor, ok := limits.lo, true
		for k, i := range group {
			j := slices.IndexFunc(o.s.found[i].fits[name], func(f span) bool { return f.lo >= cursor && prove.IsFilled(v, cursor, f.lo) })
			if ok = j >= 0; !ok {
				break
			}
			f := o.s.found[i].fits[name][j]
			starts[k], cursor = f.lo, f.hi
		}
		if !ok || cursor > limits.hi || !prove.IsFilled(v, cursor, limits.hi) {
			continue
		}
		for k, i := range group {
			o.s.pin(i, name, starts[k])
		}
	}
}
