package elfobj

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// runReadelf returns what readelf prints about a file, the warnings included.
func runReadelf(t testing.TB, file string, args ...string) string {
	t.Helper()
	cmd := exec.Command("readelf", append(args, filepath.Base(file))...)
	cmd.Dir = filepath.Dir(file)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("readelf %v %s: %v: %s", args, file, err, out)
	}
	return string(out)
}

// offsets matches what readelf prints of places in the file: in the heading,
// of each section, of each relocation section, of section groups.
var offsets = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^There are \d+ section headers, starting at offset (0x[0-9a-f]+):$`),
	regexp.MustCompile(`(?m)^  \[ *\d+\] .*?[0-9a-f]{16} ([0-9a-f]{6,}) [0-9a-f]{6,} `),
	regexp.MustCompile(`(?m)^Relocation section .* at offset (0x[0-9a-f]+) contains \d+ entr`),
	regexp.MustCompile(`(?m)^  Start of section headers: +(\d+)`),
}

func withoutOffsets(s string) string {
	for _, re := range offsets {
		var b strings.Builder
		last := 0
		for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
			b.WriteString(s[last:m[2]] + "*")
			last = m[3]
		}
		s = b.String() + s[last:]
	}
	return s
}

// checkRead compares what we read with what readelf prints.
func checkRead(t testing.TB, f *File, file string) {
	t.Helper()
	out := runReadelf(t, file, "-SrsW")
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	dyn, err := f.DynSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var r readelfReader
	for line := range strings.Lines(out) {
		r.line(strings.TrimRight(line, "\n"))
	}
	var sections []string
	for _, s := range f.Sections {
		sections = append(sections, sectionLine(s))
	}
	diff(t, "sections", r.sections, sections)
	diff(t, ".symtab", r.symbols[".symtab"], symbolLines(f, syms))
	diff(t, ".dynsym", trimVersions(r.symbols[".dynsym"]), symbolLines(f, dyn))
	for _, s := range f.Sections {
		if s.Type != elf.SHT_RELA {
			continue
		}
		relas, err := s.Relas()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, rela := range relas {
			lines = append(lines, fmt.Sprintf("%016x %016x %x", rela.Offset, uint64(rela.Sym)<<32|uint64(rela.Type), uint64(rela.Addend)))
		}
		diff(t, "relocations of "+s.Name, r.relas[fmt.Sprintf("%s %#x", s.Name, s.Offset)], lines)
	}
}

func diff(t testing.TB, what string, want, got []string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: -readelf +ours:\n%.4000s", what, d)
	}
}

// trimVersions takes the symbol version from names, which other sections hold.
func trimVersions(lines []string) []string {
	version := regexp.MustCompile(`@.*$`)
	for i, l := range lines {
		lines[i] = version.ReplaceAllString(l, "")
	}
	return lines
}

// A readelfReader sorts the lines of readelf -SrsW into tables.
type readelfReader struct {
	sections []string
	symbols  map[string][]string
	relas    map[string][]string // by section name and offset
	table    string
	section  string
}

var (
	sectionRow = regexp.MustCompile(`^  \[ *(\d+)\] (.*?) +(\S+|<unknown>) +([0-9a-f]{16}) ([0-9a-f]{6,}) ([0-9a-f]{6,}) ([0-9a-f]{2,}) ([ A-Za-z]{3,}?) +(\d+) +(\d+) +(\d+)$`)
	symbolHead = regexp.MustCompile(`^Symbol table '(.*)' contains`)
	symbolRow  = regexp.MustCompile(`^ *(\d+): ([0-9a-f]{16}) +(\w+) (<.*?>: \d+|\S+) +(<.*?>: \d+|\S+) +(\S+) +(?:\[.*?\] +)?(\w+(?: \[0x[0-9a-f]+\])?)(?: (.*))?$`)
	relaHead   = regexp.MustCompile(`^Relocation section '(.*)' at offset (0x[0-9a-f]+) contains`)
	relaRow    = regexp.MustCompile(`^([0-9a-f]{16})  ([0-9a-f]{16}) .*?(?:(?: ([+-]))? ([0-9a-f]+))?$`)
)

func (r *readelfReader) line(l string) {
	if r.symbols == nil {
		r.symbols, r.relas = make(map[string][]string), make(map[string][]string)
	}
	if m := sectionRow.FindStringSubmatch(l); m != nil {
		r.sections = append(r.sections, strings.Join(append(m[1:8], m[9:]...), "|"))
	} else if m := symbolHead.FindStringSubmatch(l); m != nil {
		r.table = m[1]
	} else if m := relaHead.FindStringSubmatch(l); m != nil {
		r.section = m[1] + " " + m[2]
	} else if m := symbolRow.FindStringSubmatch(l); m != nil {
		size, _ := strconv.ParseUint(m[3], 0, 64)
		for i, name := range m[:6] {
			if name == "IFUNC" || name == "UNIQUE" {
				m[i] = osSpecific
			}
		}
		r.symbols[r.table] = append(r.symbols[r.table],
			strings.Join([]string{m[1], m[2], strconv.FormatUint(size, 10), m[4], m[5], m[6], m[7], m[8]}, "|"))
	} else if m := relaRow.FindStringSubmatch(l); m != nil {
		addend, _ := strconv.ParseUint(m[4], 16, 64)
		if m[3] == "-" {
			addend = -addend
		}
		r.relas[r.section] = append(r.relas[r.section], fmt.Sprintf("%s %s %x", m[1], m[2], addend))
	}
}

// typeNames are the names that readelf has for section types where they differ
// from those of debug/elf.
var typeNames = map[elf.SectionType]string{
	elf.SHT_SYMTAB_SHNDX: "SYMTAB SECTION INDICES",
	elf.SHT_GNU_VERNEED:  "VERNEED", elf.SHT_GNU_VERSYM: "VERSYM", elf.SHT_GNU_VERDEF: "VERDEF",
	elf.SHT_LOOS + 0xfff4c03: "LOOS+0xfff4c03",
	elf.SHT_LOPROC + 1:       "X86_64_UNWIND",
	19:                       "RELR",
}

func sectionLine(s *Section) string {
	typ, ok := typeNames[s.Type]
	if !ok {
		typ = strings.TrimPrefix(s.Type.String(), "SHT_")
	}
	name := s.Name
	if i := strings.LastIndexByte(typ, ' '); i >= 0 { // the row is cut at the last blank
		name, typ = fmt.Sprintf("%-17s %s", name, typ[:i]), typ[i+1:]
	}
	return fmt.Sprintf("%d|%s|%s|%016x|%06x|%06x|%02x|%d|%d|%d",
		s.Index, name, typ, s.Addr, s.Offset, s.Size, s.Entsize, s.Link, s.Info, s.Addralign)
}

func symbolLines(f *File, syms []Symbol) (lines []string) {
	for i := range syms {
		s := &syms[i]
		name := s.Name
		if sec := f.Section(s.Section); s.Type() == elf.STT_SECTION && name == "" && sec != nil {
			name = sec.Name
		}
		lines = append(lines, fmt.Sprintf("%d|%016x|%d|%s|%s|%s|%s|%s", i, s.Value, s.Size,
			short(s.Type(), "STT_"), short(s.Bind(), "STB_"), short(s.Visibility(), "STV_"), indexName(s.Section), name))
	}
	return lines
}

// short is a name as readelf prints it. What the first OS specific value means
// depends on the ABI in the file header; here it is just that.
func short(v fmt.Stringer, prefix string) string {
	s := strings.TrimPrefix(v.String(), prefix)
	if s == "LOOS" || s == "GNU_IFUNC" {
		return osSpecific
	}
	return s
}

const osSpecific = "<OS specific>: 10"

func indexName(i SectionIndex) string {
	switch {
	case i == SecUndef:
		return "UND"
	case i == SecAbs:
		return "ABS"
	case i == SecCommon:
		return "COM"
	case i.IsReserved():
		return fmt.Sprintf("OS [%#x]", uint16(i))
	}
	return strconv.Itoa(int(i))
}

// checkGroups compares the section groups with those that readelf prints.
func checkGroups(t testing.TB, f *File, file string) {
	t.Helper()
	groups, err := f.Groups()
	if err != nil {
		t.Fatal(err)
	}
	syms, _ := f.Symbols()
	var got, want []string
	for _, g := range groups {
		got = append(got, fmt.Sprintf("group %d %s", g.Section, syms[g.Signature].Name))
		for _, m := range g.Members {
			got = append(got, fmt.Sprintf("%d %s", m, f.Sections[m].Name))
		}
	}
	head := regexp.MustCompile(`group section \[ *(\d+)\] .* \[(.*)\] contains`)
	row := regexp.MustCompile(`^   \[ *(\d+)\]   (\S+)$`)
	for line := range strings.Lines(runReadelf(t, file, "-gW")) {
		line = strings.TrimRight(line, "\n")
		if m := head.FindStringSubmatch(line); m != nil {
			want = append(want, "group "+m[1]+" "+m[2])
		} else if m := row.FindStringSubmatch(line); m != nil {
			want = append(want, m[1]+" "+m[2])
		}
	}
	diff(t, "groups", want, got)
}

// checkRewrite rewrites a relocatable object. readelf must not see a
// difference but in offsets, and ld -r must make the same file of both.
func checkRewrite(t testing.TB, f *File, file string) {
	t.Helper()
	dir := t.TempDir()
	again := filepath.Join(dir, filepath.Base(file))
	spec, err := f.Spec()
	if err != nil {
		t.Fatal(err)
	}
	if err := files.Write(again, spec); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"-hSrsW", "-gW"} {
		want := withoutOffsets(runReadelf(t, file, what))
		got := withoutOffsets(runReadelf(t, again, what))
		if want != got {
			t.Errorf("readelf %s: -original +rewritten:\n%.4000s", what, cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
		}
	}
	checkLink(t, dir, file, again)
}

func checkLink(t testing.TB, dir, file, again string) {
	t.Helper()
	var linked [2][]byte
	for i, in := range []string{file, again} {
		out := filepath.Join(dir, "linked")
		msg, err := exec.Command("ld", "-r", "-o", out, in).CombinedOutput()
		if err != nil {
			msg = bytes.ReplaceAll(msg, []byte(in), []byte("object")) // what ld rejects must be the same
			linked[i] = msg
			if i == 1 && !bytes.Equal(linked[0], linked[1]) {
				t.Errorf("ld -r: original: %.200s; rewritten: %s", linked[0], msg)
			}
			continue
		}
		if linked[i], err = os.ReadFile(out); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(linked[0], linked[1]) {
		t.Errorf("ld -r makes different files of the original and the rewritten object")
	}
}

// TestCompilers reads and rewrites what compilers, assembler and linker make.
func TestCompilers(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "readelf")
	names, files := fixtures(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			f, err := Open(files[name])
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			checkRead(t, f, files[name])
			checkGroups(t, f, files[name])
			checkRewrite(t, f, files[name])
			if err := walk(f); err != nil {
				t.Error(err)
			}
		})
	}
}
