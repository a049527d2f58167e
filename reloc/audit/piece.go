package audit

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// part is a piece that is being compared.
type part struct {
	*auditor
	out         *Report
	base        uint64 // link address of the first byte
	linked, run []byte
}

// explain looks at the difference at an offset, and returns how many bytes it
// has dealt with.
func (p *part) explain(i int) int {
	addr := p.base + uint64(i)
	if c := p.clusterAt(addr); c != nil && c.holds() {
		p.out.Sites += c.rewritten()
		p.out.Opaque += c.opaque
		p.patches(c.found)
		return int(c.hi - addr)
	}
	if n := p.moved(i); n > 0 {
		p.out.Moved++
		return n
	}
	if n := p.other(i); n > 0 {
		return n
	}
	return p.finding(i)
}

// rewritten counts the sites that are not as they were linked.
func (c *cluster) rewritten() int {
	n := 0
	for i := range c.sites {
		s := &c.sites[i]
		if i > 0 && s.Addr == c.sites[i-1].Addr {
			continue // another row about the same place
		}
		if lo := s.Addr - c.lo; !bytes.Equal(c.linked[lo:lo+s.Size], c.run[lo:lo+s.Size]) {
			n++
		}
	}
	return n
}

func (p *part) patches(list []image.Patch) {
	for _, q := range list {
		q.Name = p.name(q.Target)
		if s, off, ok := p.auditor.run.SymbolAt(q.Address); ok {
			q.Offset = off
			if l, ok := p.auditor.run.LivepatchAt(s.Addr); ok {
				q.Kind, q.Target, q.Name = image.PatchLivepatch, l.New, p.name(l.New)
			}
		}
		p.out.Patches = append(p.out.Patches, q)
	}
}

func (p *part) name(addr uint64) string {
	if s, _, ok := p.auditor.run.SymbolAt(addr); ok {
		return s.Name
	}
	return ""
}

// moved reports whether a field around an offset holds an address of the kernel,
// and moved with it: it returns how many bytes from there are a part of it. The
// kernel moves by multiples of 2 MiB, so that the third or fourth byte of a field
// is the first to change.
func (p *part) moved(i int) int {
	for _, back := range [...]int{2, 3} {
		w := i - back
		if w < 0 {
			break
		}
		if w+8 <= len(p.run) {
			was, is := binary.LittleEndian.Uint64(p.linked[w:]), binary.LittleEndian.Uint64(p.run[w:])
			if is-was == p.bias && p.file.IsMapped(was) {
				return 8 - back
			}
		}
		if w+4 > len(p.run) {
			continue
		}
		was, is := binary.LittleEndian.Uint32(p.linked[w:]), binary.LittleEndian.Uint32(p.run[w:])
		at := p.base + uint64(w)
		switch {
		case is-was == uint32(p.bias) && p.isAddress(was):
			return 4 - back
		case was-is == uint32(p.bias) && p.nearPerCPU(at+4+uint64(int64(int32(was)))):
			return 4 - back
		}
	}
	return 0
}

// isAddress reports whether 32 bits are an address of the kernel, sign-extended,
// or counted from where the kernel's mapping starts, as physical addresses are,
// or from its first byte, which is the distance it moved.
func (p *part) isAddress(v uint32) bool {
	return v == 0 || p.file.IsMapped(uint64(int64(int32(v)))) || p.file.IsMapped(image.KernelStart+uint64(v))
}

// nearPerCPU reports whether a distance leads to a per-CPU variable: it counts
// from the end of the instruction, behind which there may be an immediate, and
// may mean a place a little beside the variable.
func (p *part) nearPerCPU(to uint64) bool {
	const slack = 4096
	return p.file.IsOffset(to) || p.file.IsOffset(to+slack) || p.file.IsOffset(to-slack)
}

// other explains what no table lists: trampolines of static calls, the padding
// that counts calls, strings, and probes.
func (p *part) other(i int) int {
	at := p.base + uint64(i) + p.bias
	run := p.run[i:]
	if n := p.named(i, at); n > 0 {
		p.out.Sites++
		return n
	}
	if n := p.takenApart(i); n > 0 {
		return n
	}
	if at < p.text[0]+p.bias || at >= p.text[1]+p.bias {
		return 0
	}
	if rewrite.IsDepthCount(run) && amd64.ToolNops(p.linked[i:min(i+rewrite.DepthCount, len(p.linked))]) == rewrite.DepthCount && p.counted(run, at) {
		p.out.Sites++
		return rewrite.DepthCount
	}
	switch {
	case run[0] == 0xcc:
		p.patches([]image.Patch{{Kind: image.PatchBreakpoint, Address: at}})
		return 1
	case run[0] == 0xe9 && len(run) >= 5 && strings.HasPrefix(p.name(rewrite.Target(run, at, 5)), rewrite.ProbePage):
		p.patches([]image.Patch{{Kind: image.PatchProbeJump, Address: at, Target: rewrite.Target(run, at, 5)}})
		return 5
	}
	return 0
}

// counted reports whether code at an address counts calls where the kernel does.
func (p *part) counted(run []byte, at uint64) bool {
	if !rewrite.IsDepthCount(run) {
		return false
	}
	to := at + rewrite.DepthCount + uint64(int64(int32(binary.LittleEndian.Uint32(run[4:]))))
	if hot := p.marks.hot; hot[0] < hot[1] {
		return hot[0] <= to && to < hot[1]
	}
	return p.file.IsPerCPU(to)
}

// tracerCalls are the calls in the tracer's own code that it rewrites when a
// tracer is on (ftrace_update_ftrace_func of arch/x86/kernel/ftrace.c, Linux 6.1).
var tracerCalls = map[string]bool{"ftrace_call": true, "ftrace_regs_call": true, "ftrace_graph_call": true}

// named explains code with a name of its own that is rewritten: the jump of a
// trampoline leads to what the key of the static call has, calls in the tracer to
// some function of the kernel or of a module.
func (p *part) named(i int, at uint64) int {
	s, off, ok := p.auditor.run.SymbolAt(at)
	if !ok || off >= 5 || uint64(i) < off || i-int(off)+8 > len(p.run) {
		return 0
	}
	run, linked := p.run[i-int(off):], p.linked[i-int(off):]
	if name, ok := strings.CutPrefix(s.Name, kerneltab.StaticCallTrampoline); ok && string(run[5:8]) == "\x0f\xb9\xcc" {
		c := &cluster{part: p}
		if list := p.file.Symbols(kerneltab.StaticCallKey + name); len(list) != 1 || !c.calls(list[0].Addr, 0xe9, run[:5], s.Addr) {
			return 0
		}
		return 5 - int(off)
	}
	if !tracerCalls[s.Name] {
		return 0
	}
	if amd64.IsNop5(run[:5]) || run[0] == linked[0] && len(p.auditor.run.SymbolsAt(rewrite.Target(run[:5], s.Addr, 5))) > 0 {
		return 5 - int(off)
	}
	return 0
}

// partedStrings are constants that code takes apart when the kernel starts, which
// leaves NULs in the place of separators.
var partedStrings = [...]struct{ text, separator, why string }{
	{
		"!cmt,!mbmtotal,!mbmlocal,!l3cat", ",",
		"__check_quirks_intel has set_rdt_options parse the options that Skylake-X can't have (arch/x86/kernel/cpu/resctrl/core.c, Linux 4.14 to 6.12)",
	},
}

// takenApart explains one separator of such a constant.
func (p *part) takenApart(i int) int {
	for k := range partedStrings {
		row := &partedStrings[k]
		if p.run[i] != 0 || p.linked[i] != row.separator[0] {
			continue
		}
		end := i + bytes.IndexByte(p.linked[i:], 0)
		if lo := end - len(row.text); end > i && lo >= 0 && string(p.linked[lo:end]) == row.text &&
			string(p.run[lo:end]) == strings.ReplaceAll(row.text, row.separator, "\x00") {
			return 1
		}
	}
	return 0
}

// finding notes a difference that nothing explains, up to where eight bytes are
// equal again.
func (p *part) finding(i int) int {
	n := 1
	for i+n < len(p.run) && n < 64 && !bytes.Equal(p.linked[i+n:min(i+n+8, len(p.linked))], p.run[i+n:min(i+n+8, len(p.run))]) {
		n++
	}
	for n > 1 && p.linked[i+n-1] == p.run[i+n-1] {
		n--
	}
	f := Finding{Addr: p.base + uint64(i) + p.bias, Linked: slices.Clone(p.linked[i : i+n]), Run: slices.Clone(p.run[i : i+n])}
	if s, off, ok := p.auditor.run.SymbolAt(f.Addr); ok {
		f.Symbol, f.Offset = s.Name, off
	}
	p.out.Findings = append(p.out.Findings, f)
	return n
}
