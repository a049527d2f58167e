package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/splice/module"
)

// update says what the module does, and what was verified.
func (p *printer) update(d *Document) {
	m, id := d.Result.Update, d.Result.Kernel
	p.line("")
	p.line("%s for %s, build-id %.12s", p.pen.Paint(visible.Bold, m.Name), visible.Text(id.Vermagic), visible.Text(id.BuildID))
	for i := range m.Functions {
		p.line("  %s", replaces(&m.Functions[i], p.pen))
	}
	for i := range m.Findings {
		p.line("  %s %s", m.Findings[i].Severity, &m.Findings[i])
	}
	p.pins(m)
	for i := range m.Data {
		x := &m.Data[i]
		p.line("  overwrites %s %s: %s verified at load, restored when it is disabled", p.pen.Paint(visible.Cyan, x.Name), dataAt(x.Addr, x.Module), count(int(x.Size), "byte"))
	}
	for i := range m.Initials {
		x := &m.Initials[i]
		p.line("  sets %s %s where it holds its old initial value, until it is disabled", p.pen.Paint(visible.Cyan, x.Name), dataAt(x.Addr, x.Module))
	}
	p.line("  %s", refersTo(m))
	p.written(d)
}

// replaces says how a function is replaced, and what of it is verified.
func replaces(f *module.Function, pen visible.Pen) string {
	name := pen.Paint(visible.Cyan, f.Name)
	if f.Position > 0 {
		name += fmt.Sprintf(" (number %d of that name)", f.Position)
	}
	where, when := fmt.Sprintf("at %#x", f.Addr), "at load"
	if f.Module != "" {
		where, when = "in "+visible.Text(f.Module), "whenever that is loaded"
	}
	how := ""
	switch f.Method {
	case module.MethodFtrace:
	case module.MethodExit:
		how = " through struct module"
	default:
		how = " by a " + f.Method
	}
	return fmt.Sprintf("replaces %s %s%s, found by %s: %d bytes verified here and again %s, %d that the kernel rewrites",
		name, where, how, f.By, f.Size-f.Masked, when, f.Masked)
}

// refersTo counts what the module refers to.
func refersTo(m *module.Module) string {
	by, later := map[string]int{}, 0
	for i := range m.References {
		r := &m.References[i]
		by[r.By]++
		if r.For != "" {
			later++
		}
	}
	others := len(m.References) - by["export"] - by["module"]
	text := fmt.Sprintf("refers to %s, and to %s not exported", count(by["export"]-later, "export"), count(others, "place"))
	if n := by["module"]; n > 0 {
		text += fmt.Sprintf("; to %s in the modules, filled in when they are loaded", count(n, "place"))
	}
	if later > 0 {
		text += fmt.Sprintf("; to %s of modules that what it changes depends on, found when it is loaded", count(later, "export"))
	}
	if list := needed(m); len(list) > 0 {
		text += fmt.Sprintf("; it is loaded only where %s can be: %s", count(len(list), "other module"), visible.Text(strings.Join(list, ", ")))
	}
	return text
}

// needed lists the modules whose exports the update uses: the kernel loads it where all of them are
// loaded. Those that what it changes depends on are not among them: they are there with it.
func needed(m *module.Module) []string {
	var list []string
	for i := range m.References {
		if r := &m.References[i]; r.By == "export" && r.Module != "" && r.For == "" {
			list = append(list, r.Module)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// pins says why the module stays once it is loaded.
func (p *printer) pins(m *module.Module) {
	if !m.Pinned {
		return
	}
	p.line("  %s: it can be disabled, but not removed (EBUSY), nor loaded again until the next start", p.pen.Paint(visible.Yellow, "stays loaded"))
	for i := range m.Pins {
		p.line("    %s", &m.Pins[i])
	}
}

// written says where the module is.
func (p *printer) written(d *Document) {
	m := d.Result.Update
	what := "nothing written"
	if d.Module.Name != "" {
		what = p.pen.Paint(visible.Green, "wrote "+d.Module.Name)
	}
	signed := ""
	if m.Signed {
		signed = ", signed"
	}
	p.line("  %s: %s%s, id %.12s", what, count(d.Module.Size, "byte"), signed, visible.Text(m.ID))
}

// dataAt says where data is: an address says nothing of what moves.
func dataAt(addr uint64, module string) string {
	if module != "" {
		return "in " + visible.Text(module)
	}
	return fmt.Sprintf("at %#x", addr)
}
