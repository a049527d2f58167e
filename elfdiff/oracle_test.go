package elfdiff

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/symname"
)

// checkOracle asks two tools that know nothing of this package what differs:
// ld links both objects on their own, and objdump disassembles them. A
// function whose text differs there and that Compare called the same is a
// missed change, the worst mistake there is.
//
// What ld and objdump show is made comparable as text: addresses become names,
// or the strings that stand there, places inside a function the number of
// their instruction.
func checkOracle(t *testing.T, d *Diff, preObj, postObj string) {
	t.Helper()
	testenv.Need(t, "ld", "objdump")
	dir := t.TempDir()
	names := undefinedNames(d.Pre, d.Post)
	pre := linkedText(t, preObj, filepath.Join(dir, "pre"), names)
	post := linkedText(t, postObj, filepath.Join(dir, "post"), names)
	for i := range d.Functions {
		ch := &d.Functions[i]
		if ch.Status != verdict.Same {
			continue
		}
		p, q := pre[ch.Name], post[d.Post.Atom(ch.Post).Name]
		if len(p) != 1 || len(q) != 1 {
			continue // not shown under that name, or several of one name
		}
		if x, y := firstDifference(p[0], q[0], ch); x != "" || y != "" {
			t.Errorf("%s is called the same, but objdump shows\n\t%s\n\t%s", ch.Name, x, y)
		}
	}
}

// undefinedNames numbers what the objects need from elsewhere.
func undefinedNames(objs ...*object.Object) []string {
	var names []string
	for _, o := range objs {
		for _, s := range o.Symbols()[1:] {
			if s.Name != "" && !s.IsDefined() {
				names = append(names, s.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// image is what an address means in a linked object.
type image struct {
	syms     []elf.Symbol
	sections []*elf.Section
}

// linkedText links an object and returns the normalised lines of its
// functions, by name.
func linkedText(t *testing.T, obj, out string, undefined []string) map[string][][]string {
	t.Helper()
	args := []string{"-e", "0", "--no-relax", "-z", "noseparate-code", "--allow-multiple-definition", "-o", out, obj}
	for i, n := range undefined {
		if !definedIn(obj, n) {
			args = append(args, "--defsym", fmt.Sprintf("%s=%#x", n, 0x7000000+16*i))
		}
	}
	if msg, err := exec.Command("ld", args...).CombinedOutput(); err != nil {
		t.Logf("ld can't link %s: %s", obj, msg) // thread-local externals, for one
		return nil
	}
	f, err := elf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	im := &image{sections: f.Sections}
	im.syms, _ = f.Symbols()
	im.syms = slices.DeleteFunc(im.syms, func(s elf.Symbol) bool {
		typ := elf.ST_TYPE(s.Info)
		return s.Section == elf.SHN_UNDEF || typ == elf.STT_SECTION || typ == elf.STT_FILE || typ == elf.STT_TLS || strings.HasPrefix(s.Name, "_GLOBAL_") || strings.HasPrefix(s.Name, "__bss_start") || s.Name == "_edata" || s.Name == "_end"
	})
	sort.SliceStable(im.syms, func(i, j int) bool { return im.syms[i].Value < im.syms[j].Value })
	return im.normalise(run(t, "objdump", "-d", "--no-show-raw-insn", "-M", "no-aliases", out))
}

func definedIn(obj, name string) bool {
	f, err := elf.Open(obj)
	if err != nil {
		return false
	}
	defer f.Close()
	syms, _ := f.Symbols()
	return slices.ContainsFunc(syms, func(s elf.Symbol) bool { return s.Name == name && s.Section != elf.SHN_UNDEF })
}

var (
	headLine   = regexp.MustCompile(`^[0-9a-f]+ <(.*)>:$`)
	codeLine   = regexp.MustCompile(`^\s*([0-9a-f]+):\s+(.*)$`)
	hexNumber  = regexp.MustCompile(`(\$?-?)0x([0-9a-f]{5,16})`)
	commentRef = regexp.MustCompile(`-?0x[0-9a-f]+\(%rip\)(.*?)\s+# ([0-9a-f]+).*$`)
	branchRef  = regexp.MustCompile(`\b([0-9a-f]+) <.*>$`)
)

type textLine struct {
	addr uint64
	text string
}

func (im *image) normalise(dump string) map[string][][]string {
	out := map[string][][]string{}
	name := ""
	var body []textLine
	flush := func() {
		if name != "" {
			out[name] = append(out[name], im.function(body))
		}
		body = nil
	}
	for line := range strings.Lines(dump) {
		line = strings.TrimRight(line, " \n")
		if m := headLine.FindStringSubmatch(line); m != nil {
			flush()
			name = m[1]
		} else if m := codeLine.FindStringSubmatch(line); m != nil {
			addr, _ := strconv.ParseUint(m[1], 16, 64)
			body = append(body, textLine{addr, m[2]})
		}
	}
	flush()
	return out
}

func (im *image) function(body []textLine) []string {
	body = slices.DeleteFunc(body, func(l textLine) bool {
		return strings.Contains(l.text, "nop") || l.text == "xchg   %ax,%ax" || strings.HasPrefix(l.text, "int3")
	})
	inner := func(addr uint64) (string, bool) {
		if len(body) == 0 || addr < body[0].addr || addr > body[len(body)-1].addr {
			return "", false
		}
		i := sort.Search(len(body), func(i int) bool { return body[i].addr >= addr })
		return fmt.Sprintf("#%d", i), true
	}
	var out []string
	for _, l := range body {
		s := l.text
		mean := func(hex string) string {
			addr, _ := strconv.ParseUint(hex, 16, 64)
			if s, ok := inner(addr); ok {
				return s
			}
			return im.mean(addr)
		}
		if m := commentRef.FindStringSubmatch(s); m != nil {
			s = commentRef.ReplaceAllString(s, "("+strings.ReplaceAll(mean(m[2]), "$", "$$")+")$1")
		} else if m := branchRef.FindStringSubmatch(s); m != nil {
			s = s[:branchRef.FindStringIndex(s)[0]] + mean(m[1])
		} else {
			s = hexNumber.ReplaceAllStringFunc(s, func(h string) string {
				m := hexNumber.FindStringSubmatch(h)
				if addr, _ := strconv.ParseUint(m[2], 16, 64); strings.HasPrefix(m[1], "-") || !im.holds(addr) {
					return h
				}
				return mean(m[2])
			})
		}
		out = append(out, s)
	}
	return out
}

func (im *image) holds(addr uint64) bool {
	return im.section(addr) != nil || addr >= 0x7000000 && addr < 0x7100000
}

func (im *image) section(addr uint64) *elf.Section {
	for _, s := range im.sections {
		if s.Flags&elf.SHF_ALLOC != 0 && addr >= s.Addr && addr < s.Addr+s.Size {
			return s
		}
	}
	return nil
}

// mean names an address by the symbol that covers it, or by what stands there.
func (im *image) mean(addr uint64) string {
	s := im.section(addr)
	i := sort.Search(len(im.syms), func(i int) bool { return im.syms[i].Value > addr })
	for k := i - 1; k >= 0 && k > i-8; k-- {
		y := im.syms[k]
		if addr >= y.Value+max(y.Size, 1) || symname.IsLocalLabel(y.Name) {
			continue
		}
		if s != nil && object.IsLiteralName(y.Name) {
			b := make([]byte, y.Size)
			s.ReadAt(b, int64(y.Value-s.Addr))
			return fmt.Sprintf("%q", b)
		}
		return fmt.Sprintf("%s+%#x", symname.Stem(symname.Unpromoted(y.Name)), addr-y.Value)
	}
	switch {
	case s == nil:
		return fmt.Sprintf("%#x", addr)
	case s.Name != ".rodata":
		return s.Name
	}
	b := make([]byte, min(16, s.Addr+s.Size-addr))
	s.ReadAt(b, int64(addr-s.Addr))
	if v := uint64(len(b)); v >= 8 && im.isAddress(b) {
		return "table"
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return fmt.Sprintf("%q", b)
}

// isAddress reports whether b looks like the start of a jump table.
func (im *image) isAddress(b []byte) bool {
	v := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24
	return v >= 0x400000 && im.holds(v) || int32(v) < 0
}

// firstDifference compares two functions, and takes what Compare has proven to
// be a line number as equal.
func firstDifference(p, q []string, ch *verdict.Change) (string, string) {
	lines := 0
	for _, r := range ch.Incidental {
		if r.Code == verdict.ReasonLine {
			lines++
		}
	}
	for i := range max(len(p), len(q)) {
		if i >= len(p) || i >= len(q) {
			return "", fmt.Sprintf("%d lines, %d lines", len(p), len(q))
		}
		if p[i] == q[i] {
			continue
		}
		if immediate.ReplaceAllString(p[i], "$$N") == immediate.ReplaceAllString(q[i], "$$N") && lines > 0 {
			lines--
			continue
		}
		return p[i], q[i]
	}
	return "", ""
}

var immediate = regexp.MustCompile(`\$0x[0-9a-f]+`)

// checkExtract demands that Extract is deterministic, and that readelf and ld
// accept what it writes.
func checkExtract(t *testing.T, d *Diff, dir string) {
	t.Helper()
	x, err := Extract(d)
	if len(d.Refusals) > 0 {
		if err == nil {
			t.Error("Extract did not refuse")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	again, err := Compare(d.Pre, d.Post, Options{})
	if err != nil {
		t.Fatal(err)
	}
	y, err := Extract(again)
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	x.WriteTo(&a)
	y.WriteTo(&b)
	if !bytes.Equal(a.Bytes(), b.Bytes()) || report(d) != report(again) {
		t.Errorf("two runs differ:\n%s\n%s", report(d), report(again))
	}
	out := filepath.Join(dir, "out.o")
	if err := os.WriteFile(out, a.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := NewObject(bytes.NewReader(a.Bytes())); err != nil {
		t.Error(err)
	}
	if d.Changes() == 0 {
		return
	}
	msg, err := exec.Command("readelf", "-aW", "--debug-dump=frames", out).CombinedOutput()
	if err != nil || bytes.Contains(msg, []byte("Warning")) || bytes.Contains(msg, []byte("Error")) {
		t.Errorf("readelf: %v\n%s", err, msg)
	}
	for _, args := range [][]string{{"-r"}, {"--unresolved-symbols=ignore-all", "-e", "0", "-shared"}} {
		if slices.Contains(args, "-shared") && bytes.Contains(msg, []byte("R_X86_64_32")) {
			continue
		}
		msg, err := exec.Command("ld", append(args, "-o", filepath.Join(dir, "linked"), out)...).CombinedOutput()
		if err != nil && !bytes.Contains(msg, []byte("when making a shared object")) {
			t.Errorf("ld %v: %v\n%s", args, err, msg)
		}
	}
}
