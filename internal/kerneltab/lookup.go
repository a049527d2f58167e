package kerneltab

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// sections are the rows, by subject.
var sections = [...][]Section{codeSections, siteSections, traceSections, startSections, textSections, programSections}

// minName is the length of the shortest name.
const minName = 3

// index holds the rows by the second and third byte of their names, the longest
// name first: of most sections (.text.foo and the like) a glance shows the row.
var index = func() (t [256][]*Section) {
	for s := range All() {
		b := bucket(s.Name)
		t[b] = append(t[b], s)
	}
	for b := range t {
		slices.SortFunc(t[b], func(x, y *Section) int { return cmp.Compare(len(y.Name), len(x.Name)) })
	}
	return t
}()

func bucket(name string) uint8 { return name[1]*31 + name[2] }

// All yields the rows, in an order that is always the same.
func All() iter.Seq[*Section] {
	return func(yield func(*Section) bool) {
		for _, list := range sections {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// Of returns the row of a section: that of its exact name, or else the one with the
// longest prefix of it; nil when nothing is known of it. It takes the same time for
// any name, and no memory.
func Of(name string) *Section {
	if len(name) < minName {
		return nil
	}
	for _, s := range index[bucket(name)] {
		if strings.HasPrefix(name, s.Name) && (s.Prefix || len(name) == len(s.Name)) {
			return s
		}
	}
	return nil
}

// Named returns the row with exactly that name, or nil: the kernel's module loader
// looks for exact names.
func Named(name string) *Section {
	if s := Of(name); s != nil && s.Name == name {
		return s
	}
	return nil
}

// Carried returns the row of a section that a livepatch module can carry, or nil.
// Names of sections that hold one object each are those of the row, with a dot and a
// name behind it.
func Carried(name string) *Section {
	s := Of(name)
	if s == nil || s.Module.To == "" || len(name) > len(s.Name) && name[len(s.Name)] != '.' {
		return nil
	}
	return s
}

// With yields the rows that have all the given traits.
func With(t Traits) iter.Seq[*Section] {
	return func(yield func(*Section) bool) {
		for s := range All() {
			if s.Has(t) && !yield(s) {
				return
			}
		}
	}
}

// MemoryOf returns where the loader of modules puts a section because of its exact name.
func MemoryOf(name string) Memory {
	if s := Named(name); s != nil {
		return s.Module.Memory
	}
	return MemoryUnknown
}
