// Package prove compares one atom of pre with run at one address. It knows no decision: what
// a [Trial] says depends on the atom, the address and the image alone, and nothing changes it
// once it is made.
//
//	Comparer   what comparing needs: tables of pre, symbols of run, a view of its bytes
//	Trial      the outcome: equations that follow, or the first Difference
//	Binding    one equation: a Key (symbol, place, slot) has a value
//
// # How a function is compared
//
// Nearly always all bytes but those in holes are equal (code.go), and each hole is solved like
// an equation (refs.go, tls.go, plt.go); a plan of the function says what does not depend on
// the place (plan.go), and references that mean the same are solved once (class.go,
// fastcheck.go). Where bytes differ, both sides are walked by instruction, and rules say what may
// differ (walk.go, rules.go, relax.go). Sites that a kernel rewrites have forms of their own
// (sites.go, sites_table.go, sites_forms.go, alternatives.go). What the kernel's tables say
// about a function comes last (rows.go).
//
// A new kind of site is a row of SiteRows, a new rewriting of linkers a row of rules, a new
// relocation a row of solvers.
package prove
