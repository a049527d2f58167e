package image

import (
	"debug/elf"
	"fmt"
	"io"
	"path/filepath"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/procfs"
)

// OpenProcess opens a live process: its memory, and every ELF file that is
// mapped in it as a module with the symbols of .symtab, where the file has
// one, and of .dynsym. The file is the very inode that is mapped; of a module
// whose file is not to be had, memory itself gives the dynamic symbols
// ([Module.FromMemory]).
//
// The process is not stopped. Code and constants hold still all the same;
// what is mapped is as of the moment of opening; while the kernel maps the program, it waits
// for a second. It needs the permission to
// trace the process (ptrace(2), "Ptrace access mode checking").
func OpenProcess(pid int) (*Image, error) {
	procfs.AwaitMapped(pid)
	mem, err := procfs.OpenMem(pid, nil)
	if err != nil {
		return nil, err
	}
	maps, err := procfs.Maps(pid)
	if err != nil {
		mem.Close()
		return nil, err
	}
	p := &processOpener{pid: pid, maps: maps, mem: processMemory{mem}}
	p.parts.mem, p.parts.live = p.mem, true
	p.parts.closers = append(p.parts.closers, mem)
	if err := p.open(); err != nil {
		for _, c := range p.parts.closers {
			c.Close()
		}
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return newImage(p.parts)
}

// ProcessModules lists the ELF files that are mapped in a live process, as the modules of
// [OpenProcess] in their order, but opens none of them and reads no symbols. Their build-ids
// are those that memory holds: it does not matter whether a file was deleted or replaced,
// nor which mount namespace the process is in. It needs the right that [OpenProcess] needs.
func ProcessModules(pid int) ([]Module, error) {
	procfs.AwaitMapped(pid)
	mem, err := procfs.OpenMem(pid, nil)
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	maps, err := procfs.Maps(pid)
	if err != nil {
		return nil, err
	}
	p := &processOpener{pid: pid, maps: maps, mem: processMemory{mem}, brief: true}
	if err := p.open(); err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return p.parts.modules, nil
}

type processMemory struct{ mem *procfs.Mem }

func (m processMemory) ReadAddr(p []byte, addr uint64) error {
	n, err := m.mem.ReadAddr(p, addr)
	if err != nil {
		return &AddrError{Addr: addr + uint64(n), Len: len(p) - n, Err: err}
	}
	return nil
}

type processOpener struct {
	pid   int
	maps  []procfs.Mapping
	mem   Memory
	brief bool // only the modules, without what their files have
	parts imageParts
}

// open finds the modules, which start where the head of an ELF file is mapped,
// and gives the mappings to them.
func (p *processOpener) open() error {
	exe, err := procfs.Exe(p.pid)
	if err != nil {
		return err
	}
	mains := 0
	end := uint64(0) // of the latest module
	for i := range p.maps {
		m := &p.maps[i]
		if m.Start >= end {
			if l := p.moduleAt(m); l != nil {
				end = l.mod.End
				l.mod.Main = m.IsFile() && m.Path == exe && mains == 0
				if l.mod.Main {
					mains++
				}
				if err := p.add(l); err != nil {
					return fmt.Errorf("%s at %#x: %w", l.mod.Name, l.mod.Start, err)
				}
			}
		}
		r := Region{
			Start: m.Start, End: m.End, Module: NoModule,
			Read: m.Perm&procfs.Read != 0 && !special[m.Path], Write: m.Perm&procfs.Write != 0, Exec: m.Perm&procfs.Exec != 0,
		}
		r.Volatile = r.Write
		if m.Start < end {
			r.Module = len(p.parts.modules) - 1
		}
		p.parts.regions = append(p.parts.regions, r)
	}
	return nil
}

// special are pseudo files that /proc/PID/mem does not read.
var special = map[string]bool{"[vvar]": true, "[vvar_vclock]": true, "[vsyscall]": true}

// moduleAt returns the module whose first mapping is m, or nil when it is none:
// not the head of an ELF file, or a file that is only mapped to be read.
func (p *processOpener) moduleAt(m *procfs.Mapping) *loaded {
	if m.Offset != 0 || m.Perm&procfs.Read == 0 || !m.IsFile() && m.Path != "[vdso]" {
		return nil
	}
	progs := readProgs(p.mem, m.Start)
	lo, hi := extent(progs)
	if hi == 0 {
		return nil
	}
	const page = 4096
	bias := m.Start - lo&^(page-1)
	for i := range progs {
		q := &progs[i]
		if q.Type != elf.PT_LOAD || q.Flags&elf.PF_X == 0 {
			continue
		}
		code := procfs.FindMapping(p.maps, q.Vaddr+bias)
		if code == nil || code.Perm&procfs.Exec == 0 || code.Inode != m.Inode {
			return nil
		}
	}
	return &loaded{mod: Module{Name: filepath.Base(m.Path), Path: m.Path, Bias: bias, End: hi + bias}, progs: progs, mem: p.mem}
}

// add opens the module's file and reads its symbols.
func (p *processOpener) add(l *loaded) error {
	l.describe()
	if p.brief {
		p.parts.modules = append(p.parts.modules, l.mod)
		return nil
	}
	if err := p.openFile(l); err != nil {
		l.mod.FromMemory, l.mod.Err = true, err
	}
	var err error
	if l.dyn, err = openDynamic(p.mem, l.progs, l.mod.Bias); err != nil {
		return err
	}
	index := len(p.parts.modules)
	symbols, err := l.readSymbols(index)
	if err != nil {
		return err
	}
	p.parts.modules = append(p.parts.modules, l.mod)
	p.parts.symbols = append(p.parts.symbols, symbols...)
	p.parts.tables = append(p.parts.tables, l.lazyTables())
	return nil
}

func (p *processOpener) openFile(l *loaded) error {
	m := procfs.FindMapping(p.maps, l.mod.Start)
	if m == nil || !m.IsFile() {
		return procfs.ErrNoFile
	}
	f, err := procfs.OpenMapping(p.pid, *m)
	if err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		if l.file, err = elfobj.NewFile(f, size); err == nil {
			p.parts.closers = append(p.parts.closers, f)
			return nil
		}
	}
	f.Close()
	return err
}
