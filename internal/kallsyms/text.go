package kallsyms

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
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

// fields cuts a line at white space, and tells how many fields it has: the first
// four are in the array. It is bytes.Fields without the allocation, which matters
// for hundreds of thousands of lines.
func fields(b []byte) (f [4][]byte, n int) {
	for i := 0; i < len(b); {
		if isSpace(b[i]) {
			i++
			continue
		}
		from := i
		for i < len(b) && !isSpace(b[i]) {
			i++
		}
		if n < len(f) {
			f[n] = b[from:i]
		}
		n++
	}
	return f, n
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// parseHex reads a number of up to 16 hexadecimal digits.
func parseHex(b []byte) (v uint64, ok bool) {
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, len(b) > 0 && len(b) <= 16
}

// line takes one line, and returns what is wrong with it.
func (p *textParser) line(b []byte) string {
	f, n := fields(b)
	switch {
	case n == 0:
		return ""
	case n < 3 || n > 4:
		return fmt.Sprintf("%d fields, want address, type, name and perhaps [module]", n)
	case len(f[1]) != 1 || !isType(f[1][0]):
		return fmt.Sprintf("%q is no type of a symbol", clip(f[1]))
	case len(f[2]) > maxName:
		return fmt.Sprintf("a name of %d bytes", len(f[2]))
	}
	addr, ok := parseHex(f[0])
	if !ok {
		return fmt.Sprintf("%q is no address", clip(f[0]))
	}
	s := Symbol{Addr: addr, Type: f[1][0]}
	if n == 4 {
		if s.Module, ok = p.module(f[3]); !ok {
			return fmt.Sprintf("%q is no module", clip(f[3]))
		}
	}
	p.symbols = append(p.symbols, s)
	p.text = append(p.text, f[2]...)
	p.ends = append(p.ends, len(p.text))
	return ""
}

// module takes the name of a module out of its brackets.
func (p *textParser) module(b []byte) (string, bool) {
	if len(b) < 3 || len(b) > 256 || b[0] != '[' || b[len(b)-1] != ']' {
		return "", false
	}
	b = b[1 : len(b)-1]
	name, ok := p.modules[string(b)]
	if !ok {
		name = string(b)
		p.modules[name] = name
	}
	return name, true
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
