package reloc

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/kernel"
)

// An Audit is what comparing a whole running kernel with its file found out.
type Audit struct {
	Bytes    uint64 // of code and constants that were compared
	Moved    int    // fields that hold an address, and moved by as much as the kernel did
	Sites    int    // places that the kernel rewrites and has rewritten, in a form that is known
	Opaque   int    // those among them of which only the place is checked: alternatives
	Patches  []Patch
	Findings []AuditFinding // what nothing explains, by address
}

// An AuditFinding is a stretch of memory that is not what was linked.
type AuditFinding struct {
	Addr        uint64 // run address
	Symbol      string // the function or variable that it lies in, "" when not known
	Offset      uint64 // of Addr in that
	Linked, Run []byte
}

// String returns the finding on one line.
func (f *AuditFinding) String() string {
	return fmt.Sprintf("%s+%#x at %#x: linked % x, runs % x", cmp.Or(f.Symbol, "(no symbol)"), f.Offset, f.Addr, f.Linked, f.Run)
}

// AuditKernel compares all code and constants of a running kernel with the
// vmlinux that it was booted from, byte by byte. It needs no objects: the tables
// of the vmlinux say what the kernel rewrites. The error is about what can't be
// compared at all, such as another build.
//
// Variables are not compared, nor what is only constant once the kernel has
// started (.data..ro_after_init).
func AuditKernel(ctx context.Context, vmlinux string, run *Image) (*Audit, error) {
	file, err := kernel.Open(vmlinux)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a := &auditor{file: file, run: run}
	if err := a.prepare(); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	pieces := a.pieces()
	parts := make([]*Audit, len(pieces))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range pieces {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			parts[i], err = a.compare(p[0], p[1])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	sum := &Audit{}
	for _, p := range parts {
		sum.Bytes += p.Bytes
		sum.Moved += p.Moved
		sum.Sites += p.Sites
		sum.Opaque += p.Opaque
		sum.Patches = append(sum.Patches, p.Patches...)
		sum.Findings = append(sum.Findings, p.Findings...)
	}
	return sum, nil
}

// auditor compares one kernel.
type auditor struct {
	file  *kernel.Image
	run   *Image
	sites *kernel.Sites
	bias  uint64
	spans [][2]uint64 // link addresses of what is compared
	text  [2]uint64
}

// prepare makes sure that the two are one build, and finds what to compare.
func (a *auditor) prepare() error {
	if !a.run.running {
		return errors.New("what runs is no running kernel")
	}
	id, _, err := a.file.BuildID()
	if err != nil {
		return err
	}
	main := &a.run.modules[0]
	if main.BuildID != nil && !bytes.Equal(id, main.BuildID) {
		return fmt.Errorf("the kernel that runs has build-id %x, and %s has %x", main.BuildID, a.file.Path, id)
	}
	a.bias = main.Bias
	layout, err := a.file.Layout()
	if err != nil {
		return err
	}
	if a.sites, err = a.file.Sites(layout); err != nil {
		return err
	}
	at := func(name string) (addr uint64) {
		var s kernel.Symbol
		if err == nil {
			s, err = a.file.Symbol(name)
		}
		return s.Addr
	}
	a.text = [2]uint64{at("_text"), at("_etext")}
	wide := [][2]uint64{
		a.text, {at("__start_rodata"), at("__start_ro_after_init")}, {at("__end_ro_after_init"), at("__end_rodata")},
	}
	for _, s := range a.file.File.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Type == elf.SHT_NOBITS || s.Size == 0 {
			continue // what is between sections is padding of some kind
		}
		for _, w := range wide {
			if lo, hi := max(w[0], s.Addr), min(w[1], s.Addr+s.Size); lo < hi {
				a.spans = append(a.spans, [2]uint64{lo, hi})
			}
		}
	}
	return err
}

// auditPiece is how much is compared at a time.
const auditPiece = 256 << 10

func (a *auditor) pieces() [][2]uint64 {
	var out [][2]uint64
	for _, s := range a.spans {
		for at := s[0]; at < s[1]; at += auditPiece {
			out = append(out, [2]uint64{at, min(at+auditPiece, s[1])})
		}
	}
	return out
}

// auditMargin is how far what covers a difference may begin before it, and end
// behind it.
const auditMargin = 256

// compare compares one piece, by link addresses.
func (a *auditor) compare(lo, hi uint64) (*Audit, error) {
	from, to := lo-min(auditMargin, lo-a.spanOf(lo)[0]), hi+min(auditMargin, a.spanOf(lo)[1]-hi)
	linked, err := a.file.Read(from, to-from)
	if err != nil {
		return nil, err
	}
	run := make([]byte, len(linked))
	if err := a.run.ReadAddr(run, from+a.bias); err != nil {
		return nil, err
	}
	p := &auditPart{auditor: a, out: &Audit{Bytes: hi - lo}, base: from, linked: linked, run: run, view: newView(a.run)}
	for i := int(lo - from); i < int(hi-from); {
		if n := equalPrefix(linked[i:], run[i:]); n > 0 {
			i += n
			continue
		}
		i += p.explain(i)
	}
	return p.out, nil
}

func (a *auditor) spanOf(addr uint64) [2]uint64 {
	for _, s := range a.spans {
		if s[0] <= addr && addr < s[1] {
			return s
		}
	}
	return [2]uint64{addr, addr}
}

// equalPrefix returns how many bytes are equal.
func equalPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+64 <= n && bytes.Equal(a[i:i+64], b[i:i+64]); i += 64 {
	}
	for ; i < n && a[i] == b[i]; i++ {
	}
	return i
}

// auditPart is a piece that is being compared.
type auditPart struct {
	*auditor
	out         *Audit
	base        uint64 // link address of the first byte
	linked, run []byte
	view        *view
}

// explain looks at the difference at an offset, and returns how many bytes it
// has dealt with.
func (p *auditPart) explain(i int) int {
	addr := p.base + uint64(i)
	sites := p.sites.In(addr, addr+1)
	slices.SortStableFunc(sites, func(a, b kernel.Site) int { // calls of tracers are listed as calls, too
		return cmp.Compare(weightOf(a.Table), weightOf(b.Table))
	})
	for _, s := range sites {
		if lo, n := int(s.Addr)-int(p.base), int(s.Size); lo >= 0 && lo+n <= len(p.run) && p.legal(&s, p.run[lo:lo+n], p.linked[lo:lo+n]) {
			p.out.Sites++
			return lo + n - i
		}
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

// tracerTable is the table of calls of the function tracer, see kernel.Site.
const tracerTable = "__mcount_loc"

func weightOf(table string) int {
	if table == tracerTable {
		return 0
	}
	return 1
}

// legal reports whether a site holds one of its forms. Tables go by the names of
// the sections that objects have them in, also where vmlinux has merged them: see
// kernel.Site.
func (p *auditPart) legal(s *kernel.Site, run, linked []byte) bool {
	at := s.Addr + p.bias
	x := &siteMatch{m: &matcher{img: p.auditor.run, view: p.view}, live: true}
	switch s.Table {
	case ".return_sites":
		return returns(x, nil, run, at) || bytes.Equal(run, linked)
	case tracerTable:
		st := &site{}
		if !traced(x, st, run, at) {
			return false
		}
		p.patches(x.patches)
		return true
	case ".smp_locks":
		return run[0] == 0x3e && linked[0] == 0xf0
	case ".ibt_endbr_seal":
		return sealed(x, nil, run, at)
	case ".static_call_sites":
		return (run[0] == 0xe8 || run[0] == 0xe9) && x.exec(target(run, at, 5)) || bytes.Equal(run, nop5) || bytes.Equal(run, ret5) || string(run) == nothing0[0]
	case "__jump_table":
		return isLabelForm(run)
	case ".call_sites":
		return run[0] == 0xe8 && x.exec(target(run, at, 5))
	}
	if !opaqueTables[s.Table] && !strings.HasPrefix(s.Table, "runtime_") {
		return false // of a table that nobody has looked at
	}
	p.out.Opaque++
	return true
}

// opaqueTables list sites of which the linked bytes alone do not tell what may
// stand there: that depends on replacements, or on the processor.
var opaqueTables = map[string]bool{".altinstructions": true, ".parainstructions": true, ".retpoline_sites": true}

func (p *auditPart) patches(list []Patch) {
	for _, q := range list {
		q.Name = p.name(q.Target)
		if s, off, ok := p.auditor.run.SymbolAt(q.Address); ok {
			q.Offset = off
			if l, ok := p.auditor.run.livepatches()[s.Addr]; ok {
				q.Kind, q.Target, q.Name = PatchLivepatch, l.New, p.name(l.New)
			}
		}
		p.out.Patches = append(p.out.Patches, q)
	}
}

func (p *auditPart) name(addr uint64) string {
	if s, _, ok := p.auditor.run.SymbolAt(addr); ok {
		return s.Name
	}
	return ""
}

// moved reports whether a field around an offset holds an address of the kernel,
// and moved with it: it returns how many bytes from there are a part of it. The
// kernel moves by multiples of 2 MiB, so that the third or fourth byte of a field
// is the first to change.
func (p *auditPart) moved(i int) int {
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
		was, is := le32(p.linked[w:]), le32(p.run[w:])
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
func (p *auditPart) isAddress(v uint32) bool {
	return v == 0 || p.file.IsMapped(uint64(int64(int32(v)))) || p.file.IsMapped(kernelStart+uint64(v))
}

// nearPerCPU reports whether a distance leads to a per-CPU variable: it counts
// from the end of the instruction, behind which there may be an immediate, and
// may mean a place a little beside the variable.
func (p *auditPart) nearPerCPU(to uint64) bool {
	const slack = 4096
	return p.file.IsPerCPU(to) || p.file.IsPerCPU(to+slack) || p.file.IsPerCPU(to-slack)
}

// other explains what no table lists: trampolines of static calls, the padding
// that counts calls, and probes.
func (p *auditPart) other(i int) int {
	at := p.base + uint64(i) + p.bias
	run := p.run[i:]
	if s, off, ok := p.auditor.run.SymbolAt(at); ok && strings.HasPrefix(s.Name, "__SCT__") && off < 5 && uint64(i) >= off {
		head := p.run[uint64(i)-off:]
		if len(head) >= 8 && string(head[5:8]) == "\x0f\xb9\xcc" {
			p.out.Sites++
			return 5 - int(off)
		}
	}
	if s, off, ok := p.auditor.run.SymbolAt(at); ok && tracerCalls[s.Name] && off < 5 {
		p.out.Sites++
		return 5 - int(off)
	}
	if counts(run) && canonicalNops(p.linked[i:min(i+depthCount, len(p.linked))]) == depthCount {
		p.out.Sites++
		return depthCount
	}
	if at < p.text[0]+p.bias || at >= p.text[1]+p.bias {
		return 0
	}
	switch {
	case run[0] == 0xcc:
		p.patches([]Patch{{Kind: PatchBreakpoint, Address: at}})
		return 1
	case run[0] == 0xe9 && len(run) >= 5 && strings.HasPrefix(p.name(target(run, at, 5)), probePage):
		p.patches([]Patch{{Kind: PatchProbeJump, Address: at, Target: target(run, at, 5)}})
		return 5
	}
	return 0
}

// tracerCalls are the calls in the tracer's own code that it rewrites when a
// tracer is on (ftrace_update_ftrace_func of arch/x86/kernel/ftrace.c, Linux 6.1).
var tracerCalls = map[string]bool{"ftrace_call": true, "ftrace_regs_call": true, "ftrace_graph_call": true}

// finding notes a difference that nothing explains, up to where eight bytes are
// equal again.
func (p *auditPart) finding(i int) int {
	n := 1
	for i+n < len(p.run) && n < 64 && !bytes.Equal(p.linked[i+n:min(i+n+8, len(p.linked))], p.run[i+n:min(i+n+8, len(p.run))]) {
		n++
	}
	for n > 1 && p.linked[i+n-1] == p.run[i+n-1] {
		n--
	}
	f := AuditFinding{Addr: p.base + uint64(i) + p.bias, Linked: slices.Clone(p.linked[i : i+n]), Run: slices.Clone(p.run[i : i+n])}
	if s, off, ok := p.auditor.run.SymbolAt(f.Addr); ok {
		f.Symbol, f.Offset = s.Name, off
	}
	p.out.Findings = append(p.out.Findings, f)
	return n
}
