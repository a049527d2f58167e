//go:build linux && amd64

package process

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// area is code that no thread may be in.
type area struct {
	name   string
	lo, hi uint64
}

// holds reports whether code address pc is in the area: exact means that it is
// the next instruction, otherwise it is where a call returns to, which may be
// just behind the area when the call was its last instruction.
func (a *area) holds(pc uint64, exact bool) bool {
	if exact {
		return pc >= a.lo && pc < a.hi
	}
	return pc > a.lo && pc <= a.hi
}

// stacks checks the stacks of a stopped process.
type stacks struct {
	mem     *pageCache
	session *ptrace.Session
	pid     int
	maps    []procfs.Mapping // nil before somebody asks
	areas   []area
	find    func(pc uint64) *ehframe.Table
	// function returns the function that an address lies in, by symbols.
	function func(pc uint64) (start, end uint64, ok bool)
	scans    int
	// restorers are addresses that were looked at for code that returns from
	// signal handlers.
	restorers map[uint64]bool
	rules     map[frameAt]frameRules
}

// unwindTables opens the unwind tables of all modules; nil for those without one,
// whose frames are scanned.
func unwindTables(pid int, img *image.Image) []*ehframe.Table {
	tables := make([]*ehframe.Table, len(img.Modules()))
	for i, m := range img.Modules() {
		if tables[i], _ = moduleTable(img, &m); tables[i] == nil {
			tables[i], _ = fileTable(pid, &m)
		}
	}
	return tables
}

// newStacks prepares a check, by the unwind tables of the image's modules.
func newStacks(tables []*ehframe.Table, img *image.Image, records []*record, areas []area) *stacks {
	s := &stacks{mem: newPageCache(nil), areas: areas, restorers: map[uint64]bool{}, function: functionAt(img)}
	owns := recordTables(img, records)
	s.find = func(pc uint64) *ehframe.Table {
		if _, i := img.ModuleAt(pc); i != image.NoModule && tables[i] != nil {
			return tables[i]
		}
		for _, o := range owns {
			if !o.code.contains(pc) {
				continue
			}
			if _, err := o.table.Lookup(pc); err == nil {
				return o.table
			}
		}
		return nil
	}
	return s
}

// ownTable is the unwind table of the code of an update.
type ownTable struct {
	code  extent
	table *ehframe.Table
}

// recordTables opens the unwind tables that updates brought with them.
func recordTables(img *image.Image, records []*record) []ownTable {
	var list []ownTable
	for _, r := range records {
		for _, f := range r.Frames {
			b := make([]byte, f.size())
			if img.ReadAddr(b, f[0]) != nil {
				continue
			}
			if t, err := ehframe.New(ehframe.Section{Addr: f[0], Data: b}, ehframe.Section{}, 0); err == nil {
				list = append(list, ownTable{r.Code, t})
			}
		}
	}
	return list
}

// landingsOf reads the exception tables that an update brought with it.
func landingsOf(img *image.Image, r *record) []ehframe.Landing {
	var out []ehframe.Landing
	for _, t := range recordTables(img, []*record{r}) {
		list, err := t.table.Landings(imageMem{img})
		if err != nil {
			return nil // whatever leads there then counts
		}
		out = append(out, list...)
	}
	return out
}

// moduleTable opens the unwind table of a module by the program headers that
// are mapped at its start.
func moduleTable(img *image.Image, m *image.Module) (*ehframe.Table, error) {
	var head elf.Header64
	b := make([]byte, binary.Size(head))
	if err := img.ReadAddr(b, m.Start); err != nil {
		return nil, err
	}
	if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, &head); err != nil || string(b[:4]) != elf.ELFMAG {
		return nil, errors.Join(ehframe.NoTable, err)
	}
	raw := make([]elf.Prog64, head.Phnum)
	b = make([]byte, binary.Size(raw))
	if err := img.ReadAddr(b, m.Start+head.Phoff); err != nil {
		return nil, err
	}
	if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, raw); err != nil {
		return nil, err
	}
	progs := make([]elf.ProgHeader, len(raw))
	for i, p := range raw {
		progs[i] = elf.ProgHeader{
			Type: elf.ProgType(p.Type), Flags: elf.ProgFlag(p.Flags), Off: p.Off, Vaddr: p.Vaddr,
			Paddr: p.Paddr, Filesz: p.Filesz, Memsz: p.Memsz, Align: p.Align,
		}
	}
	return ehframe.FromMemory(biased{img, m.Bias}, progs, m.Bias)
}

// fileTable opens the unwind table of a module by the sections of its file:
// static programs have no program header for it.
func fileTable(pid int, m *image.Module) (*ehframe.Table, error) {
	maps, err := procfs.Maps(pid)
	if err != nil {
		return nil, err
	}
	at := procfs.FindMapping(maps, m.Start)
	if at == nil || !at.IsFile() {
		return nil, ehframe.ErrNoUnwind
	}
	f, err := procfs.OpenMapping(pid, *at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	file, err := elfobj.NewFile(f, size)
	if err != nil {
		return nil, err
	}
	return ehframe.FromELF(file, m.Bias)
}

// biased is an image by link addresses.
type biased struct {
	img  *image.Image
	bias uint64
}

func (b biased) ReadAddr(p []byte, addr uint64) (int, error) {
	if err := b.img.ReadAddr(p, addr+b.bias); err != nil {
		return 0, err
	}
	return len(p), nil
}

// check returns the threads that stand in the areas.
func (s *stacks) check(session *ptrace.Session) (blockers []Blocker, threads int, err error) {
	list, err := session.Threads()
	if err != nil {
		return nil, 0, err
	}
	s.mem.reset(session.Mem())
	s.session, s.pid, s.maps, s.scans = session, session.ID().PID, nil, 0
	if len(list) > 1 {
		const near = splice.PageSize / 4 // what a frame or two take
		tops := make([]uint64, 0, 2*len(list))
		for i := range list {
			tops = append(tops, list[i].Regs.Rsp, list[i].Regs.Rsp+near)
		}
		s.mem.prefetch(s.pid, tops)
	}
	for i := range list {
		if s.isWorker(&list[i]) {
			continue
		}
		b, err := s.thread(&list[i])
		if err != nil {
			return nil, 0, err
		}
		if b != nil {
			blockers = append(blockers, *b)
		}
	}
	return blockers, len(list), nil
}

// warm has what check needs at hand before the process is stopped: the rules of the places where
// threads wait now, as far as that shows, and room for their stacks.
func (s *stacks) warm(pid int, mem readerAt) {
	const most = 64 // they wait at few places
	tids, err := procfs.Tasks(pid)
	if err != nil {
		return // the stop will tell
	}
	s.mem.expect(len(tids))
	for _, tid := range tids[:min(most, len(tids))] {
		c, ok, err := procfs.ReadTaskCall(pid, tid)
		if err != nil || !ok {
			continue
		}
		s.mem.reset(mem)
		regs := ehframe.Regs{Undefined: ^uint32(0) &^ (1<<ehframe.RSP | 1<<ehframe.RA)}
		regs.R[ehframe.RSP], regs.R[ehframe.RA] = c.SP, c.PC
		_, _ = s.walk(regs, func(ehframe.Frame) bool { return true })
	}
}

// isWorker reports whether a thread is one of the kernel, which it has added to the process for
// io_uring, for one: it has never left the kernel, and has neither code nor stack.
func (s *stacks) isWorker(t *ptrace.Thread) bool {
	if t.Regs.Rip != 0 || t.Regs.Rsp != 0 {
		return false
	}
	st, err := procfs.ReadTaskStat(s.pid, t.TID)
	return err == nil && st.MayBeWorker()
}

// mappings returns the mappings of the process in this stop. To read them takes as
// long as many stacks, and few need them.
func (s *stacks) mappings() ([]procfs.Mapping, error) {
	var err error
	if s.maps == nil {
		s.maps, err = s.session.Maps()
	}
	return s.maps, err
}

// thread unwinds one stack; from the frame on where that fails, it scans it.
func (s *stacks) thread(t *ptrace.Thread) (*Blocker, error) {
	var found *Blocker
	sp, err := s.walk(dwarfRegs(&t.Regs), func(f ehframe.Frame) bool {
		if a := s.at(f.PC, f.Exact); a != nil {
			found = &Blocker{TID: t.TID, Function: a.name, Addr: f.PC, Frame: f.N}
		}
		return found == nil
	})
	if err != nil {
		s.scans++
		return s.scan(t, sp)
	}
	return found, nil
}

func (s *stacks) at(pc uint64, exact bool) *area {
	for i := range s.areas {
		if s.areas[i].holds(pc, exact) {
			return &s.areas[i]
		}
	}
	return nil
}

// dwarfRegs converts registers to their DWARF numbers (psABI figure 3.36).
func dwarfRegs(r *ptrace.Regs) ehframe.Regs {
	return ehframe.Regs{R: [...]uint64{
		r.Rax, r.Rdx, r.Rcx, r.Rbx, r.Rsi, r.Rdi, r.Rbp, r.Rsp,
		r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15, r.Rip,
	}}
}

// walk goes over the frames of a stack like [ehframe.Walk], and steps by the code
// where unwind tables do not help. When that fails as well the error is that of the
// tables, and sp where the stack has to be scanned from.
func (s *stacks) walk(regs ehframe.Regs, visit func(ehframe.Frame) bool) (sp uint64, err error) {
	exact := true
	codes := &codeStepper{mem: s.mem, function: s.function}
	for n := 0; n < ehframe.DefaultFrames; n++ {
		f := ehframe.Frame{N: n, PC: regs.R[ehframe.RA], SP: regs.R[ehframe.RSP], Exact: exact}
		if !visit(f) {
			return f.SP, nil
		}
		caller, signal, done, err := s.caller(&regs, exact)
		if err != nil {
			var ok bool
			if caller, ok = codes.step(&regs, exact); !ok {
				return f.SP, err
			}
			signal, done = false, false
		}
		if done {
			return f.SP, nil
		}
		// A signal may switch stacks; a call never does.
		if !signal && caller.R[ehframe.RSP] <= f.SP {
			return f.SP, ehframe.NotGrowing
		}
		regs, exact = caller, signal
	}
	return regs.R[ehframe.RSP], ehframe.TooManyDeep
}

// caller unwinds one frame by the tables.
func (s *stacks) caller(regs *ehframe.Regs, exact bool) (caller ehframe.Regs, signal, done bool, err error) {
	pc := regs.R[ehframe.RA]
	if !exact {
		pc--
	}
	at := frameAt{pc, exact}
	r, ok := s.rules[at]
	if !ok {
		t := s.find(pc)
		if t == nil {
			return caller, false, false, ehframe.NoTable
		}
		rules, err := t.RulesAt(regs.R[ehframe.RA], exact)
		if err != nil {
			return caller, false, false, err
		}
		r = frameRules{t, rules}
		if s.rules == nil {
			s.rules = map[frameAt]frameRules{}
		}
		s.rules[at] = r
	}
	return r.table.UnwindBy(r.rules, s.mem, regs)
}

// frameAt is where a frame is: at an instruction, or in the call before it.
type frameAt struct {
	pc    uint64
	exact bool
}

// frameRules are the rules there. Threads stand at few places: they are read once.
type frameRules struct {
	table *ehframe.Table
	rules *ehframe.Rules
}
