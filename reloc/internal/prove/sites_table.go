package prove

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// siteRow is one kind of site: what describes it, and what it may hold.
type siteRow struct {
	Name string
	// table describes the sites; nil when no table does.
	table *kerneltab.Section
	// read reads the table.
	read func(f *siteFinder, row *siteRow, a *object.Atom)
	// own finds sites that follow from the function itself, likewise.
	own func(f *siteFinder, row *siteRow, a *object.Atom)
	// legal looks at the bytes of a site in run, at address p, and reports
	// whether they are one of the forms other than that of pre; with whole,
	// that of pre included.
	legal func(x *siteMatch, s *Site, run []byte, p uint64) bool
	whole bool
	// loose says that the target of a branch may be another one than in pre
	// when the code was rewritten, so that it only tells the value of a symbol
	// where run's symbols agree.
	loose bool
	// wide says that a form in run may have another length.
	wide func(x *siteMatch, s *Site, run []byte, p uint64) (size int, ok bool)
	why  string // where no table says it
}

// SiteRows has a row for each kind. The order is that in which the kernel
// rewrites them when it starts (arch/x86/kernel/alternative.c of Linux 6.1 and
// 6.12); forms are those that its functions write. The rows of clang's kCFI are
// from the source alone: no kernel at hand is built with it.
var SiteRows = [...]siteRow{
	{Name: "ftrace", table: kerneltab.Named(kerneltab.McountLoc), read: readPlaces, legal: traced, loose: true},
	{Name: "endbr", table: kerneltab.Named(kerneltab.EndbrSeal), read: readPlaces, own: ownEndbr, legal: sealed},
	{
		Name: "kcfi prefix", own: ownPrefix(kerneltab.CFIPrefix), legal: cfiPrefix,
		why: "kCFI: the hash in front of a function is made anew at boot, or becomes FineIBT's check (apply_fineibt)",
	},
	{Name: "kcfi check", table: kerneltab.Named(kerneltab.CFITraps), read: readPlaces, legal: cfiCheck},
	{
		Name: "call depth", own: ownPrefix(kerneltab.Padding), legal: callDepth,
		why: "call depth tracking counts in the padding in front of a function (arch/x86/kernel/callthunks.c)",
	},
	{Name: "paravirt", table: kerneltab.Named(kerneltab.ParaSites), read: readPlaces, legal: paravirt},
	{Name: "retpoline", table: kerneltab.Named(kerneltab.RetpolineSites), read: readPlaces, legal: retpoline, loose: true},
	{Name: "return", table: kerneltab.Named(kerneltab.ReturnSites), read: readPlaces, legal: returns, loose: true},
	{Name: "alternative", table: kerneltab.Named(kerneltab.AltInstructions), read: readAlternatives}, // see alternatives.go
	{Name: "lock", table: kerneltab.Named(kerneltab.SMPLocks), read: readPlaces, legal: unlocked},
	{Name: "jump label", table: kerneltab.Named(kerneltab.JumpTable), read: readJumpLabels, legal: jumpLabel, whole: true, wide: wideJumpLabel},
	{Name: "static call", table: kerneltab.Named(kerneltab.StaticCallSites), read: readPlaces, legal: staticCall, loose: true},
	{
		Name: "static call trampoline", own: ownTrampoline, legal: trampoline, loose: true,
		why: "the trampoline itself leads to another function, or returns",
	},
	{Name: "runtime pointer", table: kerneltab.Named(kerneltab.RuntimePtr), read: readPlaces, legal: runtimePointer, whole: true},
	{Name: "runtime shift", table: kerneltab.Named(kerneltab.RuntimeShift), read: readPlaces, legal: runtimeShift, whole: true},
	{Name: "runtime mask", table: kerneltab.Named(kerneltab.RuntimeMask), read: readPlaces, legal: runtimeMask, whole: true},
}

// siteRowOf maps tables to the rows that they describe the sites of.
var siteRowOf = func() map[*kerneltab.Section]int {
	m := make(map[*kerneltab.Section]int)
	for k := range SiteRows {
		if t := SiteRows[k].table; t != nil {
			m[t] = k
		}
	}
	return m
}()

// thunk returns the beginning of the names of the symbols that the sites branch to.
// Where the table is missing since objtool did not see the object, all branches to
// them are sites.
func (r *siteRow) thunk() string {
	if r.table == nil {
		return ""
	}
	return r.table.Site.Thunk
}
