package dwarf

import "path"

// files are the file names of one line table. Names are left where they are.
type files struct {
	d       *Data
	off     uint64 // of the line table
	version uint16
	dirs    []fileName
	names   []fileName
	folder  lazy[string]
}

// fileName is a name, or where it is.
type fileName struct {
	text []byte
	form form   // formString when the text is here
	at   uint64 // in .debug_line, or in .debug_str_offsets
	dir  uint64
}

func (f *files) resolve(n *fileName) []byte {
	var b []byte
	switch n.form {
	case formString:
		return n.text
	case formLineStrp:
		if at, ok := f.d.line.word(n.at); ok {
			b, _ = f.d.lineStr.text(at)
		}
	case formStrp:
		if at, ok := f.d.line.word(n.at); ok {
			b, _ = f.d.str.text(at)
		}
	}
	return b
}

// entry returns file number i as rows have it: from 1, or from 0 since DWARF 5.
func (f *files) entry(i uint32) *fileName {
	if f.version < 5 {
		i--
	}
	if uint64(i) >= uint64(len(f.names)) {
		return nil
	}
	return &f.names[i]
}

func (f *files) name(i uint32) []byte {
	n := f.entry(i)
	if n == nil {
		return nil
	}
	return f.resolve(n)
}

// path returns a file name with its folder. The folder of the compilation is
// number 0, and is left out.
func (f *files) path(i uint32) string {
	n := f.entry(i)
	if n == nil {
		return ""
	}
	name := string(f.resolve(n))
	dir := n.dir
	if f.version < 5 {
		dir--
	}
	if n.dir == 0 || path.IsAbs(name) || dir >= uint64(len(f.dirs)) {
		return name
	}
	return path.Join(string(f.resolve(&f.dirs[dir])), name)
}

// dir returns the folder of the compilation. Before DWARF 5 only the unit that
// the table is of knows it.
func (f *files) dir() string {
	if f.version >= 5 {
		if len(f.dirs) == 0 {
			return ""
		}
		return string(f.resolve(&f.dirs[0]))
	}
	dir, _ := f.folder.get(func() (string, error) {
		units, err := f.d.Units()
		for _, u := range units {
			e := u.Root()
			if off, ok := e.offset(AttrStmtList); ok && off == f.off {
				return string(e.Text(AttrCompDir)), nil
			}
		}
		return "", err
	})
	return dir
}

// program is the header of a line number program (section 6.2.4).
type program struct {
	cursor
	files    *files
	end      uint64
	minInst  uint64
	maxOps   uint8
	lineBase int8
	lineRng  uint8
	opcodes  uint8   // the first special opcode
	lengths  []uint8 // of the arguments of the standard opcodes
}

// readProgram reads one program, and moves c behind it.
func (d *Data) readProgram(c *cursor, l *Lines) error {
	p := &program{cursor: *c}
	length := p.fixed(4)
	if length >= maxLength {
		p.fail("64-bit DWARF")
	}
	if length > p.left() {
		p.fail("a line table is longer than the section")
	}
	if err := p.err(); err != nil {
		return err
	}
	p.end = p.off + length
	p.b = p.b[:p.end]
	c.off = p.end
	version := uint16(p.fixed(2))
	if version < 2 || version > 5 {
		p.fail("an unknown version of the line table")
	}
	p.files = &files{d: d, off: p.end - length - 4, version: version}
	p.header()
	l.files[p.files.off] = p.files
	if p.bad == "" {
		p.run(l)
	}
	return p.err()
}

// header reads what is between the version and the program.
func (p *program) header() {
	if p.files.version >= 5 {
		if size, segment := p.u8(), p.u8(); size != 8 || segment != 0 {
			p.fail("addresses are not of 8 bytes")
		}
	}
	n := p.fixed(4)
	if n > p.left() {
		p.fail("the header of a line table is too long")
		return
	}
	start := p.off + n
	p.minInst = p.fixed(1)
	if p.maxOps = 1; p.files.version >= 4 {
		p.maxOps = p.u8()
	}
	p.skip(1) // default_is_stmt
	p.lineBase, p.lineRng, p.opcodes = int8(p.u8()), p.u8(), p.u8()
	if p.bad == "" && (p.lineRng == 0 || p.maxOps != 1 || p.opcodes == 0) {
		p.fail("a line table for another kind of processor")
		return
	}
	for range int(p.opcodes) - 1 {
		p.lengths = append(p.lengths, p.u8())
	}
	if p.files.version >= 5 {
		p.files.dirs = p.entries()
		p.files.names = p.entries()
	} else {
		p.oldNames()
	}
	p.off = start
}

// Content types of file name entries, section 6.2.4.1.
const (
	lnctPath = 1
	lnctDir  = 2
)

// entries reads a list of folders or files with its formats.
func (p *program) entries() []fileName {
	type column struct {
		content uint64
		form    form
		shape   shape
	}
	var columns []column
	for range p.u8() {
		c := column{content: p.uleb(), form: form(min(p.uleb(), 0xffff))}
		c.shape = shapeOf(c.form)
		switch c.shape.kind {
		case kindConst, kindUleb, kindText, kindBlock, kindField:
		default:
			p.fail("an unknown form of a file name")
		}
		columns = append(columns, c)
	}
	count := p.uleb()
	if count > p.left() || count > 0 && len(columns) == 0 { // each takes a byte at least
		p.fail("more files than the table has room for")
		return nil
	}
	list := make([]fileName, 0, min(count, p.left()/uint64(max(len(columns), 1))+1))
	for range count {
		var f fileName
		for i := range columns {
			p.column(&f, columns[i].content, columns[i].form, columns[i].shape)
		}
		if p.bad != "" {
			return nil
		}
		list = append(list, f)
	}
	return list
}

func (p *program) column(f *fileName, content uint64, fm form, s shape) {
	at, v := p.off, uint64(0)
	var text []byte
	switch s.kind {
	case kindConst:
		if s.size <= 8 {
			v = p.fixed(int(s.size))
		} else {
			p.skip(uint64(s.size))
		}
	case kindUleb:
		v = p.uleb()
	case kindText:
		text = p.text()
	case kindField:
		p.skip(uint64(s.size))
	case kindBlock:
		n := uint64(0)
		if s.size > 0 {
			n = p.fixed(int(s.size))
		} else {
			n = p.uleb()
		}
		p.skip(n)
	}
	switch content {
	case lnctPath:
		f.text, f.form, f.at = text, fm, at
	case lnctDir:
		f.dir = v
	}
}

// oldNames reads the lists of DWARF 4, section 6.2.4.
func (p *program) oldNames() {
	for {
		s := p.text()
		if len(s) == 0 {
			break
		}
		p.files.dirs = append(p.files.dirs, fileName{text: s, form: formString})
	}
	for {
		s := p.text()
		if len(s) == 0 {
			break
		}
		f := fileName{text: s, form: formString, dir: p.uleb()}
		p.uleb() // time
		p.uleb() // size
		p.files.names = append(p.files.names, f)
	}
}
