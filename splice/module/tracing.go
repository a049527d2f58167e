package module

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// FindingTracing is the code of the finding about a tracepoint, or a debug message, of a
// module that can't be switched in new code of that module.
const FindingTracing elfdiff.Code = "tracing-off"

// traces are the static keys that decide about nothing but what is told to who watches: how
// the names of what they are in begin, and what that is.
var traces = []struct{ prefix, what string }{
	{kerneltab.Tracepoint, "the tracepoint"},
	{"__UNIQUE_ID_ddebug", "the debug message"}, // struct _ddebug of include/linux/dynamic_debug.h
	{"descriptor.", "the debug message"},        // likewise before 5.6
}

// traceOf says what a key of that name decides about, "" when that is not only told.
func traceOf(name string) string {
	for _, t := range traces {
		if rest, ok := strings.CutPrefix(name, t.prefix); ok {
			if t.what == "the tracepoint" {
				return t.what + " " + rest
			}
			return t.what
		}
	}
	return ""
}

// tracing leaves static branches out whose keys are in the module and decide about tracing
// alone: the loader would follow the key before the module is there. The branch stays as it was
// compiled, which for a tracepoint is off. That is a finding.
func (l *linker) tracing(inside map[spot]uint64) {
	for i := range l.Spec.Sections {
		s := &l.Spec.Sections[i]
		rela := l.relasOf(elfobj.SectionIndex(i))
		if s.Name != kerneltab.JumpTable || rela == nil {
			continue
		}
		layout := kerneltab.Named(s.Name).Usual()
		off := map[spot]uint64{}
		for k := range rela.Relas {
			r := &rela.Relas[k]
			at := spot{elfobj.SectionIndex(i), r.Offset}
			size, ok := inside[at]
			if !ok || r.Offset%layout.Size != layout.Fields[kerneltab.Key].Offset {
				continue
			}
			if what := traceOf(l.Spec.Symbols[r.Sym].Name); what != "" {
				off[at] = size
				l.traceOff(what, s.Name, r.Offset)
			}
		}
		l.filter(elfobj.SectionIndex(i), layout, off)
	}
}

// traceOff reports what new code does not tell, each once.
func (l *linker) traceOff(what, section string, offset uint64) {
	f := elfdiff.Finding{
		Code: FindingTracing, Severity: elfdiff.Carried, Symbol: l.obj.target.Name(), Section: section, Offset: offset,
		Message: fmt.Sprintf("%s of the module stays as it was compiled in what replaces its code (%s), whoever switches it", what, l.Object),
		Hint:    "trace the new function itself, with the function tracer or a kprobe",
	}
	for i := range l.found {
		if l.found[i].Code == f.Code && l.found[i].Message == f.Message {
			return
		}
	}
	l.found = append(l.found, f)
}
