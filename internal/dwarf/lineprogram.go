package dwarf

// Standard and extended opcodes of line number programs, sections 6.2.5.2 and
// 6.2.5.3.
const (
	lnsExtended       = 0
	lnsCopy           = 1
	lnsAdvancePC      = 2
	lnsAdvanceLine    = 3
	lnsSetFile        = 4
	lnsSetColumn      = 5
	lnsNegateStmt     = 6
	lnsBasicBlock     = 7
	lnsConstAddPC     = 8
	lnsFixedAdvancePC = 9
	lnsPrologueEnd    = 10
	lnsEpilogueBegin  = 11
	lnsSetISA         = 12

	lneEndSequence      = 1
	lneSetAddress       = 2
	lneDefineFile       = 3
	lneSetDiscriminator = 4
)

// machine is the state of a program (section 6.2.2), as far as it matters.
type machine struct {
	addr Addr
	line uint64
	file uint64
	rows []row // of this sequence
}

// reset begins a sequence. Its rows follow those of the last one in memory.
func (m *machine) reset() { *m = machine{line: 1, file: 1, rows: m.rows[len(m.rows):]} }

// emit appends a row.
func (m *machine) emit() {
	m.rows = append(m.rows, row{off: m.addr.Offset, line: uint32(m.line), file: uint32(m.file)})
}

// bytesPerRow is a little less than what a row takes in the programs of gcc.
const bytesPerRow = 3

// run runs a program, and adds its sequences.
func (p *program) run(l *Lines) {
	m := machine{rows: make([]row, 0, p.left()/bytesPerRow+8)}
	m.reset()
	for p.left() > 0 {
		op := p.u8()
		if op >= p.opcodes {
			op -= p.opcodes
			m.addr.Offset += uint64(op/p.lineRng) * p.minInst
			m.line += uint64(int64(p.lineBase) + int64(op%p.lineRng))
			m.emit()
			continue
		}
		switch op {
		case lnsExtended:
			p.extended(l, &m)
		case lnsCopy:
			m.emit()
		case lnsAdvancePC:
			m.addr.Offset += p.uleb() * p.minInst
		case lnsAdvanceLine:
			m.line += uint64(p.sleb())
		case lnsSetFile:
			m.file = p.uleb()
		case lnsConstAddPC:
			m.addr.Offset += uint64((255-p.opcodes)/p.lineRng) * p.minInst
		case lnsFixedAdvancePC:
			m.addr.Offset += p.fixed(2)
		case lnsSetColumn, lnsSetISA:
			p.uleb()
		case lnsNegateStmt, lnsBasicBlock, lnsPrologueEnd, lnsEpilogueBegin:
		default:
			for range p.lengths[op-1] {
				p.uleb()
			}
		}
	}
}

// extended runs an extended opcode: its length comes first.
func (p *program) extended(l *Lines, m *machine) {
	n := p.uleb()
	if n == 0 || n > p.left() {
		p.fail("an extended opcode is too long")
		return
	}
	end := p.off + n
	switch op := p.u8(); op {
	case lneEndSequence:
		l.add(m, p.files)
		m.reset()
	case lneSetAddress:
		if n != 9 {
			p.fail("an address is not of 8 bytes")
			return
		}
		to := p.relocated(8)
		if len(m.rows) > 0 && (to.Section != m.addr.Section || to.Offset < m.addr.Offset) {
			// no assembler does that; where the rows so far end is not known
			m.rows = m.rows[:0]
		}
		m.addr = to
	case lneDefineFile:
		p.files.names = append(p.files.names, fileName{text: p.text(), form: formString, dir: p.uleb()})
	}
	p.off = max(p.off, end)
	if p.off > end {
		p.fail("an extended opcode is longer than it says")
	}
}

// add adds the rows up to the end of a sequence, which is where m is. Rows that
// go back are against the rules, and tell nothing.
func (l *Lines) add(m *machine, f *files) {
	rows := m.rows
	if len(rows) == 0 || m.addr.Offset <= rows[0].off {
		return
	}
	for i := 1; i < len(rows); i++ {
		if rows[i].off < rows[i-1].off {
			return
		}
	}
	l.sequences = append(l.sequences, sequence{m.addr.Section, rows[0].off, m.addr.Offset, rows[:len(rows):len(rows)], f})
}
