package procfs

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mapsText holds what is odd in maps, as the kernel writes it.
const mapsText = `00400000-00401000 r-xp 00001000 fe:01 131                                /usr/bin/a b (deleted)
558dd1a00000-558dd1a21000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 rw-s 00000000 00:05 1024                       /memfd:shared (deleted)
7f0000001000-7f0000002000 ---p 00000000 00:00 0 
7f0000002000-7f0000003000 r--p 1234567000 103:02 18446744073709551615    /tmp/new\012line
7f0000003000-7f0000004000 r--p 00000000 00:00 0                          [anon: with space]
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`

func TestParseMaps(t *testing.T) {
	got, err := ParseMaps([]byte(mapsText))
	if err != nil {
		t.Fatal(err)
	}
	want := []Mapping{
		{Start: 0x400000, End: 0x401000, Offset: 0x1000, Inode: 131, Dev: Dev{0xfe, 1}, Perm: Read | Exec, Path: "/usr/bin/a b", Deleted: true},
		{Start: 0x558dd1a00000, End: 0x558dd1a21000, Perm: Read | Write, Path: "[heap]"},
		{Start: 0x7f0000000000, End: 0x7f0000001000, Inode: 1024, Dev: Dev{0, 5}, Perm: Read | Write | Shared, Path: "/memfd:shared", Deleted: true},
		{Start: 0x7f0000001000, End: 0x7f0000002000},
		{Start: 0x7f0000002000, End: 0x7f0000003000, Offset: 0x1234567000, Inode: math.MaxUint64, Dev: Dev{0x103, 2}, Perm: Read, Path: "/tmp/new\nline"},
		{Start: 0x7f0000003000, End: 0x7f0000004000, Perm: Read, Path: "[anon: with space]"},
		{Start: 0x7ffd00000000, End: 0x7ffd00021000, Perm: Read | Write, Path: "[stack]"},
		{Start: 0xffffffffff600000, End: 0xffffffffff601000, Perm: Exec, Path: "[vsyscall]"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for i, line := range strings.Split(strings.TrimSuffix(mapsText, "\n"), "\n") {
		if g, w := strings.Join(strings.Fields(got[i].String()), " "), strings.Join(strings.Fields(line), " "); g != w {
			t.Errorf("String: %s, want %s", g, w)
		}
	}
}

func TestBadMaps(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
	}{
		{"empty line", "\n", 1},
		{"no perms", "1000-2000", 1},
		{"order", "2000-3000 r--p 0 00:00 0\n1000-2000 r--p 0 00:00 0\n", 2},
		{"overlap", "2000-3000 r--p 0 00:00 0\n2fff-4000 r--p 0 00:00 0\n", 2},
		{"empty mapping", "1000-1000 r--p 0 00:00 0\n", 1},
		{"17 digits", "1000-10000000000000000 r--p 0 00:00 0\n", 1},
		{"sign", "-1000-2000 r--p 0 00:00 0\n", 1},
		{"upper case", "1000-2A00 r--p 0 00:00 0\n", 1},
		{"perms", "1000-2000 rwz- 0 00:00 0\n", 1},
		{"short perms", "1000-2000 r-- 0 00:00 0\n", 1},
		{"wide dev", "1000-2000 r--p 0 100000000:00 0\n", 1},
		{"inode", "1000-2000 r--p 0 00:00 x\n", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseMaps([]byte(c.text))
			var syn *SyntaxError
			if !errors.As(err, &syn) || syn.Line != c.line {
				t.Errorf("got %v, want a SyntaxError in line %d", err, c.line)
			}
		})
	}
}

func TestFindMapping(t *testing.T) {
	maps, err := ParseMaps([]byte(mapsText))
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[uint64]string{
		0: "", 0x3fffff: "", 0x400000: "/usr/bin/a b", 0x400fff: "/usr/bin/a b", 0x401000: "",
		0x7f0000002000: "/tmp/new\nline", 0xffffffffff600fff: "[vsyscall]", math.MaxUint64: "",
	} {
		m := FindMapping(maps, addr)
		if (m == nil) != (want == "") || m != nil && (m.Path != want || !m.Contains(addr)) {
			t.Errorf("FindMapping(%#x) = %v, want %q", addr, m, want)
		}
	}
}

const statusText = "Name:\tweird\\nname\nUmask:\t0022\nState:\tt (tracing stop)\nTgid:\t42\nNgid:\t0\nPid:\t43\nPPid:\t1\n" +
	"TracerPid:\t7\nUid:\t1000\t1001\t1002\t4294967295\nNSpid:\t43\t2\nKthread:\t0\nThreads:\t3\nSigPnd:\t0000000000000002\n" +
	"ShdPnd:\t0000000100000000\nSeccomp:\t2\nCoreDumping:\t1\nx86_Thread_features:\tshstk wrss\n"

func TestParseStatus(t *testing.T) {
	got, err := ParseStatus([]byte(statusText))
	if err != nil {
		t.Fatal(err)
	}
	want := &Status{Name: `weird\nname`, State: 't', Tgid: 42, Pid: 43, PPid: 1, TracerPid: 7,
		UID: [4]uint32{1000, 1001, 1002, math.MaxUint32}, NSpid: []int{43, 2}, Threads: 3, Pending: 0x100000002,
		Seccomp: SeccompFilter, CoreDumping: true, ThreadFeatures: []string{"shstk", "wrss"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !got.HasFeature("shstk") || got.HasFeature("sh") {
		t.Error("HasFeature")
	}
	for _, bad := range []string{
		"", "State:\tR\nTgid:\t1\n", statusText + "Pid:\t1\n", "no colon\n",
		strings.Replace(statusText, "Tgid:\t42", "Tgid:\t-42", 1),
		strings.Replace(statusText, "Tgid:\t42", "Tgid:\t4294967296", 1),
		strings.Replace(statusText, "\t1002", "", 1),
		strings.Replace(statusText, "CoreDumping:\t1", "CoreDumping:\tx", 1),
	} {
		var syn *SyntaxError
		if _, err := ParseStatus([]byte(bad)); !errors.As(err, &syn) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// statText is of a process that calls itself ") Z (".
const statText = "42 () Z () S 1 42 42 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 123456 3000000 400 18446744073709551615 " +
	"94000000000000 94000000010000 140720000000000 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 94000000020000 94000000030000 94000000040000 1 2 3 4 0\n"

func TestParseStat(t *testing.T) {
	got, err := ParseStat([]byte(statText))
	if err != nil {
		t.Fatal(err)
	}
	want := &Stat{PID: 42, Comm: ") Z (", State: 'S', Flags: 4194560, Start: 123456, StartBrk: 94000000040000}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.IsKthread() || got.IsDead() {
		t.Error("not dead, no thread of the kernel")
	}
	for _, bad := range []string{"", "42", "42 (a", "42 )a(", "(a) S 1", "x (a) S 1", "42 (a)", "42 (a) SS 1", "42 (a) S 1 2 3",
		strings.Replace(statText, " 123456 ", " 99999999999999999999 ", 1)} {
		var syn *SyntaxError
		if _, err := ParseStat([]byte(bad)); !errors.As(err, &syn) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseAuxv(t *testing.T) {
	enc := func(list ...uint64) (b []byte) {
		for _, v := range list {
			b = binary.LittleEndian.AppendUint64(b, v)
		}
		return b
	}
	got, err := ParseAuxv(enc(33, 0x7fff0000, 7, 0x1000, 0, 0, 9, 9))
	if diff := cmp.Diff(Auxv{AuxSysinfoEhdr: 0x7fff0000, AuxBase: 0x1000}, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got, err := ParseAuxv(nil); len(got) != 0 || err != nil {
		t.Errorf("empty: %v, %v", got, err)
	}
	for _, bad := range [][]byte{enc(33, 1), enc(33, 1, 0), enc(33)[:3], make([]byte, 8)} {
		var syn *SyntaxError
		if _, err := ParseAuxv(bad); !errors.As(err, &syn) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

// FuzzMaps checks that what is accepted is in order and survives being written
// and read again.
func FuzzMaps(f *testing.F) {
	f.Add([]byte(mapsText))
	f.Add([]byte("1000-2000 r--p 0 00:00 0\n2000-3000 r--p 0 00:00 0 x (deleted)"))
	f.Fuzz(func(t *testing.T, b []byte) {
		maps, err := ParseMaps(b)
		if err != nil {
			return
		}
		var text strings.Builder
		for i := range maps {
			m := &maps[i]
			if got := FindMapping(maps, m.End-1); got != m {
				t.Fatalf("FindMapping(%#x) = %v", m.End-1, got)
			}
			// A name that begins with a space or ends in (deleted) twice is
			// ambiguous in the kernel's format.
			if strings.HasPrefix(m.Path, " ") || m.Path == "" && m.Deleted || strings.HasSuffix(m.Path, deletedSuffix) {
				return
			}
			text.WriteString(m.String() + "\n")
		}
		again, err := ParseMaps([]byte(text.String()))
		if err != nil {
			t.Fatalf("%v in %q", err, text.String())
		}
		if len(maps) > 0 && !cmp.Equal(maps, again) {
			t.Fatal(cmp.Diff(maps, again))
		}
	})
}

// FuzzStatus feeds the other parsers.
func FuzzStatus(f *testing.F) {
	f.Add([]byte(statusText))
	f.Add([]byte(statText))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseStatus(b); (s == nil) == (err == nil) {
			t.Fatal(s, err)
		}
		if s, err := ParseStat(b); (s == nil) == (err == nil) {
			t.Fatal(s, err)
		}
		if a, err := ParseAuxv(b); (a == nil) == (err == nil) {
			t.Fatal(a, err)
		}
	})
}

func BenchmarkParseMaps(b *testing.B) {
	var text []byte
	for i := range 1000 {
		m := Mapping{Start: uint64(i) << 20, End: uint64(i)<<20 + 4096, Perm: Read, Inode: 99, Path: "/usr/lib/x86_64-linux-gnu/libsomething.so.1.2.3"}
		text = append(text, m.String()+"\n"...)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseMaps(text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestParseTaskCall(t *testing.T) {
	for _, c := range []struct {
		text   string
		sp, pc uint64
		bad    bool
	}{
		{"running\n", 0, 0, false},
		{"-1 0x7ffc10 0x401000\n", 0x7ffc10, 0x401000, false},
		{"0 0x0 0x1 0x2 0x3 0x4 0x5 0x7ffc20 0x7f00\n", 0x7ffc20, 0x7f00, false},
		{"", 0, 0, true},
		{"0 0x0 0x1 0x2 0x3 0x4 0x5 sp 0x7f00\n", 0, 0, true},
	} {
		got, err := parseTaskCall([]byte(c.text))
		if (err != nil) != c.bad || got.SP != c.sp || got.PC != c.pc {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
}
