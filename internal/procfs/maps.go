package procfs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Perm is the set of permissions of a mapping.
type Perm uint8

// The letters of the second column of /proc/PID/maps. Its fourth letter is
// "s" for Shared and "p" otherwise.
const (
	Read Perm = 1 << iota
	Write
	Exec
	Shared
)

// String returns the four letters as the kernel prints them, e.g. "r-xp".
func (p Perm) String() string {
	b := []byte("---p")
	for i, c := range []byte("rwx") {
		if p&(1<<i) != 0 {
			b[i] = c
		}
	}
	if p&Shared != 0 {
		b[3] = 's'
	}
	return string(b)
}

// A Dev is a device number as maps and stat(2) show it.
type Dev struct{ Major, Minor uint32 }

// String returns the device as the kernel prints it, e.g. "08:01".
func (d Dev) String() string { return fmt.Sprintf("%02x:%02x", d.Major, d.Minor) }

// A Mapping is one line of /proc/PID/maps (proc_pid_maps(5)).
type Mapping struct {
	Start, End uint64 // addresses, End exclusive
	Offset     uint64 // of Start in the file, in bytes
	Inode      uint64 // 0 for anonymous memory
	Dev        Dev
	Perm       Perm

	// Path is the file's path in the process's mount namespace, with the
	// kernel's \012 undone, or a pseudo path such as "[stack]", or "".
	// The kernel escapes the newline alone, so that a file whose name holds
	// the four characters \012 can't be told from one with a newline.
	Path string

	// Deleted says that the kernel appended " (deleted)", which Path does
	// not hold. A file of that very name looks the same.
	Deleted bool
}

// Len is the length of the mapping in bytes.
func (m *Mapping) Len() uint64 { return m.End - m.Start }

// Contains tells whether addr lies in the mapping.
func (m *Mapping) Contains(addr uint64) bool { return m.Start <= addr && addr < m.End }

// IsFile tells whether the mapping is backed by an inode.
func (m *Mapping) IsFile() bool { return m.Inode != 0 && !strings.HasPrefix(m.Path, "[") }

// String returns the line as the kernel prints it, but for the padding.
func (m *Mapping) String() string {
	s := fmt.Sprintf("%08x-%08x %v %08x %v %d", m.Start, m.End, m.Perm, m.Offset, m.Dev, m.Inode)
	if m.Path != "" {
		s += " " + strings.ReplaceAll(m.Path, "\n", `\012`)
	}
	if m.Deleted {
		s += deletedSuffix
	}
	return s
}

const deletedSuffix = " (deleted)"

// FindMapping returns the mapping that contains addr, or nil. The mappings
// must be in ascending order, as [ParseMaps] returns them.
func FindMapping(maps []Mapping, addr uint64) *Mapping {
	i, found := slices.BinarySearchFunc(maps, addr, func(m Mapping, a uint64) int {
		switch {
		case m.End <= a:
			return -1
		case m.Start > a:
			return 1
		}
		return 0
	})
	if !found {
		return nil
	}
	return &maps[i]
}

// ParseMaps parses the text of /proc/PID/maps. The mappings are in ascending
// order and don't overlap, or the text is refused: the kernel promises as much
// even for a process that runs meanwhile. Errors are [*SyntaxError].
func ParseMaps(b []byte) ([]Mapping, error) {
	maps := make([]Mapping, 0, bytes.Count(b, []byte("\n")))
	last := uint64(0)
	for line := 1; len(b) > 0; line++ {
		text, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		m, err := parseMapping(line, text)
		if err != nil {
			return nil, err
		}
		if m.Start < last {
			return nil, syntaxError(line, "mapping out of order", text)
		}
		last = m.End
		maps = append(maps, m)
	}
	return maps, nil
}

// parseMapping parses e.g.
//
//	7f7aa0c26000-7f7aa0c4c000 r--p 00000000 fe:01 131  /usr/lib/x86_64-linux-gnu/libc.so.6
func parseMapping(line int, text []byte) (Mapping, error) {
	p := fields{rest: text}
	var m Mapping
	m.Start = p.hex('-')
	m.End = p.hex(' ')
	perm := p.until(' ')
	m.Offset = p.hex(' ')
	m.Dev.Major = uint32(p.number(16, 32, ':'))
	m.Dev.Minor = uint32(p.number(16, 32, ' '))
	m.Inode = p.number(10, 64, ' ')
	if p.bad != "" {
		return Mapping{}, syntaxError(line, p.bad, text)
	}
	if m.End <= m.Start {
		return Mapping{}, syntaxError(line, "mapping ends before it starts", text)
	}
	var ok bool
	if m.Perm, ok = parsePerm(perm); !ok {
		return Mapping{}, syntaxError(line, "bad permissions", perm)
	}
	path := string(bytes.TrimLeft(p.rest, " "))
	path, m.Deleted = strings.CutSuffix(path, deletedSuffix)
	m.Path = strings.ReplaceAll(path, `\012`, "\n")
	return m, nil
}

// parsePerm parses four letters such as "r-xp".
func parsePerm(b []byte) (Perm, bool) {
	if len(b) != 4 {
		return 0, false
	}
	var p Perm
	for i, c := range []byte("rwx") {
		switch b[i] {
		case c:
			p |= 1 << i
		case '-':
		default:
			return 0, false
		}
	}
	switch b[3] {
	case 's':
		p |= Shared
	case 'p':
	default:
		return 0, false
	}
	return p, true
}
