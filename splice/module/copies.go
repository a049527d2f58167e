package module

import "debug/elf"

// A copied is a stretch of memory that can't be written to, and what init copies
// there, once all has been proven: bytes that are not known before.
type copied struct {
	to   target
	from target
	size uint64
}

const copySize = 24

// shifts notes the counts of shifts in carried code.
func (l *linker) shifts() {
	for _, s := range l.carried.Shifts {
		h := l.homes[s.Section]
		if h.sec == nil {
			continue // it was refused
		}
		from := l.syms[s.Variable].final()
		if from.part > 0 {
			l.refused.add(refuse(CodeModuleRef, "", h.sec.name, h.off+s.Offset, "a count of a shift is in %s", l.obj.target.Name()))
			continue
		}
		l.copies = append(l.copies, copied{target{symbol: h.sec.anchor, addend: int64(h.off + s.Offset)}, from, 1})
	}
}

// copyTable writes rows, and one of zeros behind them: where to, where from, how
// many bytes.
func (b *builder) copyTable(name string, rows []copied) uint64 {
	r := b.rodata()
	table := r.append(8, make([]byte, copySize*(len(rows)+1)))
	b.define(name, elf.STT_OBJECT, r, table, uint64(copySize*(len(rows)+1)))
	for i := range rows {
		at := table + uint64(i*copySize)
		r.rela(at, elf.R_X86_64_64, rows[i].to.symbol, rows[i].to.addend)
		r.rela(at+8, elf.R_X86_64_64, rows[i].from.symbol, rows[i].from.addend)
		put64(r.data[at+16:], rows[i].size)
	}
	return table
}

// overwrite emits a call that copies what a table says, as all text is written
// to.
func (b *builder) overwrite(a *asm, table uint64) {
	a.imm(elf.R_X86_64_32S, b.mutex.symbol, b.mutex.addend, 0x48, 0xc7, 0xc7) // mov $text_mutex,%rdi
	b.call(a, "mutex_lock")
	a.imm(elf.R_X86_64_32S, b.rodata().anchor, int64(table), 0x48, 0xc7, 0xc7) // mov $table,%rdi
	b.call(a, "copy")
	a.imm(elf.R_X86_64_32S, b.mutex.symbol, b.mutex.addend, 0x48, 0xc7, 0xc7) // mov $text_mutex,%rdi
	b.call(a, "mutex_unlock")
}

// overwriteStopped is overwrite while all other processors stand still: how many bytes
// text_poke writes at once is not said, and who reads a pointer must not find a half of
// another.
func (b *builder) overwriteStopped(a *asm, table uint64) {
	a.imm(elf.R_X86_64_32S, b.mutex.symbol, b.mutex.addend, 0x48, 0xc7, 0xc7) // mov $text_mutex,%rdi
	b.call(a, "mutex_lock")
	a.imm(elf.R_X86_64_32S, a.calls["copy_stopped"], 0, 0x48, 0xc7, 0xc7)      // mov $copy_stopped,%rdi
	a.imm(elf.R_X86_64_32S, b.rodata().anchor, int64(table), 0x48, 0xc7, 0xc6) // mov $table,%rsi
	a.emit(0x31, 0xd2)                                                         // xor %edx,%edx          any processor
	b.call(a, "stop_machine")
	a.imm(elf.R_X86_64_32S, b.mutex.symbol, b.mutex.addend, 0x48, 0xc7, 0xc7) // mov $text_mutex,%rdi
	b.call(a, "mutex_unlock")
}

// copyStopped is what stop_machine calls: copy, which returns nothing.
func (b *builder) copyStopped(a *asm) {
	a.emit(endbr...)
	a.emit(0x50) // push %rax              aligns the stack
	a.depth(16)
	b.call(a, "copy")
	a.emit(0x31, 0xc0) // xor %eax,%eax
	a.emit(0x59)       // pop %rcx
	a.depth(8)
	b.ret(a)
}

// copier goes over a table of copies in %rdi.
func (b *builder) copier(a *asm) {
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x48, 0x89, 0xfb) // mov %rdi,%rbx
	a.label("row")
	a.emit(0x48, 0x8b, 0x3b)       // mov (%rbx),%rdi
	a.emit(0x48, 0x85, 0xff)       // test %rdi,%rdi
	a.jump(0x74, "done")           // je done
	a.emit(0x48, 0x8b, 0x73, 0x08) // mov 0x8(%rbx),%rsi
	a.emit(0x48, 0x8b, 0x53, 0x10) // mov 0x10(%rbx),%rdx
	a.imm(elf.R_X86_64_PLT32, b.poke.symbol, b.poke.addend-4, 0xe8)
	a.emit(0x48, 0x83, 0xc3, 0x18) // add $0x18,%rbx
	a.jump(0xeb, "row")            // jmp row
	a.label("done")
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}
