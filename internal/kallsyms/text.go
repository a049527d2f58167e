package kallsyms

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Parse reads the text of /proc/kallsyms or of a System.map: lines of an address
// in hexadecimal, a letter, a name, and for modules the module's name in
// brackets, with white space in between. Order does not matter; the symbols come
// in that of the text.
//
// A line that is none of this is an [*Error] with the line's number as offset.
func Parse(r io.Reader) ([]Symbol, error) {
	p := textParser{modules: make(map[string]string)}
	in := bufio.NewReaderSize(r, 64<<10)
	for line := uint64(1); ; line++ {
		b, err := in.ReadSlice('\n')
		if len(b) > 0 && !errors.Is(err, bufio.ErrBufferFull) {
			if msg := p.line(bytes.TrimRight(b, "\r\n")); msg != "" {
				return nil, &Error{"line", line, msg}
			}
		}
		switch {
		case err == io.EOF:
			return p.finish(), nil
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, &Error{"line", line, "is too long"}
		case err != nil:
			return nil, fmt.Errorf("kallsyms: line %d: %w", line, err)
		}
	}
}

// textParser collects symbols. Names are cut from one string at the end.
type textParser struct {
	symbols []Symbol
	text    []byte
	ends    []int
	modules map[string]string // each once
}

// line takes one line, and returns what is wrong with it.
func (p *textParser) line(b []byte) string {
	fields := bytes.Fields(b)
	switch {
	case len(fields) == 0:
		return ""
	case len(fields) < 3 || len(fields) > 4:
		return fmt.Sprintf("%d fields, want address, type, name and perhaps [module]", len(fields))
	case len(fields[1]) != 1 || !isType(fields[1][0]):
		return fmt.Sprintf("%q is no type of a symbol", clip(fields[1]))
	case len(fields[2]) > maxName:
		return fmt.Sprintf("a name of %d bytes", len(fields[2]))
	}
	addr, err := strconv.ParseUint(string(fields[0]), 16, 64)
	if err != nil {
		return fmt.Sprintf("%q is no address", clip(fields[0]))
	}
	s := Symbol{Addr: addr, Type: fields[1][0]}
	if len(fields) == 4 {
		m := fields[3]
		if len(m) < 3 || len(m) > 256 || m[0] != '[' || m[len(m)-1] != ']' {
			return fmt.Sprintf("%q is no module", clip(m))
		}
		m = m[1 : len(m)-1]
		name, ok := p.modules[string(m)]
		if !ok {
			name = string(m)
			p.modules[name] = name
		}
		s.Module = name
	}
	p.symbols = append(p.symbols, s)
	p.text = append(p.text, fields[2]...)
	p.ends = append(p.ends, len(p.text))
	return ""
}

func isType(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '?' || c == '-'
}

func clip(b []byte) []byte { return b[:min(len(b), 40)] }

func (p *textParser) finish() []Symbol {
	all, start := string(p.text), 0
	for i, end := range p.ends {
		p.symbols[i].Name = all[start:end]
		start = end
	}
	return p.symbols
}
