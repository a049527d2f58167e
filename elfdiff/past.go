package elfdiff

import (
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// pastRule is one row of the table of kernel sections whose content has no
// bearing on a kernel that runs: it was read or executed at the start, or is for
// what will be loaded later.
type pastRule struct {
	prefix string
	code   Code
	why    string
}

// pastRules lists them by the beginnings of their names: those of Linux 6.1 and
// 6.12 (include/asm-generic/vmlinux.lds.h).
var pastRules = []pastRule{
	{".init.", CodeInitCode, "it is for the start, and its memory is freed after it"},
	{".head.text", CodeInitCode, "it is for the start"},
	{".exit.", CodeExitCode, "it is for the removal of a module"},
	{".exitcall", CodeExitCode, "it is for the removal of a module"},
	{".x86_cpu_dev.init", CodeInitCode, "it is a list that the start goes through"},
	{"__earlycon_table", CodeInitCode, "it is a list that the start goes through"},
	{".lsm_info.init", CodeInitCode, "it is a list that the start goes through"},
	{".early_lsm_info.init", CodeInitCode, "it is a list that the start goes through"},
	{".kunit_", CodeInitCode, "it is a list that the start goes through"},
	{"___ksymtab", CodeExport, "it is in the list of exports"},
	{"__ksymtab", CodeExport, "it is in the list of exports"},
	{"___kcrctab", CodeExport, "it is in the list of exports"},
	{"__kcrctab", CodeExport, "it is in the list of exports"},
	{".export_symbol", CodeExport, "it is in the list of exports"},
	{"__param", CodeParameter, "it is in the list of parameters, which is read at the start"},
	{"__modver", CodeModuleInfo, "it is a version for sysfs, made at the start"},
	{".printk_index", CodeModuleInfo, "it is in the index of messages"},
	{".modinfo", CodeModuleInfo, "it is information about a module"},
}

// past returns the row for an atom that has no bearing on a kernel that runs, or
// nil. It goes by the section of the atom, or of the function it belongs to.
func (d *Diff) past(o *object.Object, id object.AtomID) *pastRule {
	if !d.carriesTables || id == object.NoAtom {
		return nil
	}
	a := &o.Atoms[id]
	if r := pastRuleOf(o.SectionName(a.Section)); r != nil || a.Owner == object.NoAtom {
		return r
	}
	return pastRuleOf(o.SectionName(o.Atoms[a.Owner].Section))
}

func pastRuleOf(section string) *pastRule {
	for i := range pastRules {
		if strings.HasPrefix(section, pastRules[i].prefix) {
			return &pastRules[i]
		}
	}
	return nil
}

// moduleNames are defined, or referred to, by objects of loadable modules only
// (include/linux/module.h, include/linux/export.h).
var moduleNames = map[string]bool{"init_module": true, "cleanup_module": true, "__this_module": true}

// isModule reports whether an object is for a loadable module. Not every object
// of a module can be told.
func isModule(o *object.Object) bool {
	return bool(object.Memo(o, func(o *object.Object) ofModule {
		return ofModule(slices.ContainsFunc(o.Symbols(), func(s elfobj.Symbol) bool { return moduleNames[s.Name] }))
	}))
}

// ofModule is what isModule says of an object.
type ofModule bool

// bygone reports a difference in something that has no bearing on what runs.
func (j *judge) bygone(o *object.Object, id object.AtomID, r *pastRule, what string) {
	f := findingAt(o, r.code, id, 0, "%s: %s", what, r.why)
	if r.code == CodeExitCode && !isModule(j.Pre) {
		f.Severity, f.Accept = Ignored, "" // the linker drops it from the image
	}
	j.report(f)
}

// bygones reports all such differences.
func (j *judge) bygones() {
	if !j.carriesTables {
		return
	}
	for _, list := range [][]Change{j.Functions, j.Data} {
		for i := range list {
			ch := &list[i]
			switch {
			case ch.Status == Changed:
				if r := j.past(j.Post, ch.Post); r != nil {
					j.bygone(j.Post, ch.Post, r, "changed: "+ch.Reasons[0].String())
				}
			case ch.Status == New:
				if r := j.past(j.Post, ch.Post); r != nil {
					j.bygone(j.Post, ch.Post, r, "new")
				}
			}
		}
	}
}
