package seccomp

import "testing"

// Instructions as filter.h names them.
func ld(off uint32) Inst             { return Inst{0x20, 0, 0, off} }
func jeq(k uint32, t, f uint8) Inst  { return Inst{0x15, t, f, k} }
func jge(k uint32, t, f uint8) Inst  { return Inst{0x35, t, f, k} }
func jgt(k uint32, t, f uint8) Inst  { return Inst{0x25, t, f, k} }
func jset(k uint32, t, f uint8) Inst { return Inst{0x45, t, f, k} }
func ret(a Action) Inst              { return Inst{6, 0, 0, uint32(a)} }
func op(code uint16, k uint32) Inst  { return Inst{Code: code, K: k} }
func calls(nr uint32, args ...uint64) Data {
	d := Data{Nr: nr, Arch: ArchX8664}
	copy(d.Args[:], args)
	return d
}

const (
	kill  Action = 0x80000000
	errno Action = 0x00050001
)

// noExec is what systemd makes of MemoryDenyWriteExecute= for mmap: no memory
// that is writable and executable.
var noExec = []Inst{
	ld(4), jeq(ArchX8664, 1, 0), ret(kill),
	ld(0), jeq(9, 0, 4),
	ld(32), op(0x54, 6), jeq(6, 0, 1), ret(errno),
	ret(Allow),
}

// arithmetic uses all that filters may: it answers with 42 in the lower half.
var arithmetic = []Inst{
	op(0x00, 7),          // a = 7
	op(0x02, 3),          // m[3] = a
	op(0x24, 12),         // a *= 12 -> 84
	op(0x07, 0),          // x = a
	op(0x61, 3),          // x = m[3]
	op(0x1c, 0),          // a -= x -> 77
	op(0x04, 7),          // a += 7 -> 84
	op(0x34, 2),          // a /= 2 -> 42
	op(0xa4, 0xff),       // a ^= 255
	op(0xa4, 0xff),       // again
	op(0x64, 4),          // a <<= 4
	op(0x74, 4),          // a >>= 4
	op(0x84, 0),          // a = -a
	op(0x84, 0),          // again
	op(0x44, 0x7fff0000), // a |= Allow
	op(0x05, 1),          // over the next
	ret(kill),
	op(0x16, 0), // return a
}

func TestAsk(t *testing.T) {
	big := []Inst{ld(20), jgt(0, 2, 0), ld(16), jge(0x1000, 0, 1), ret(kill), ret(Allow)}
	for _, c := range []struct {
		name    string
		filters [][]Inst
		call    Data
		want    Action
	}{
		{"no filter", nil, calls(9), Allow},
		{"another call", [][]Inst{noExec}, calls(1), Allow},
		{"executable", [][]Inst{noExec}, calls(9, 0, 4096, 5), Allow},
		{"writable and executable", [][]Inst{noExec}, calls(9, 0, 4096, 7), errno},
		{"another machine", [][]Inst{noExec}, Data{Nr: 9, Arch: 0x40000003}, kill},
		{"the strictest of two", [][]Inst{{ret(errno)}, {ret(kill)}, {ret(Allow)}}, calls(1), kill},
		{"kill process before trap", [][]Inst{{ret(0x00030000)}, {ret(kill)}}, calls(1), kill},
		{"kill thread before errno", [][]Inst{{ret(errno)}, {ret(0)}}, calls(1), 0},
		{"high half of an argument", [][]Inst{big}, calls(1, 1<<32), kill},
		{"low half of an argument", [][]Inst{big}, calls(1, 0x1000), kill},
		{"below", [][]Inst{big}, calls(1, 0xfff), Allow},
		{"bits", [][]Inst{{ld(16), jset(2, 0, 1), ret(kill), ret(Log)}}, calls(1, 4), Log},
		{"arithmetic", [][]Inst{arithmetic}, calls(1), Allow | 42},
		{"length", [][]Inst{{op(0x80, 0), op(0x16, 0)}}, calls(1), 64},
	} {
		got, err := Ask(c.filters, &c.call)
		// Ask keeps the first of equal ones: Allow itself beats Allow with data.
		if c.want&actionMask == Allow {
			c.want = Allow
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %#x, %v; want %#x", c.name, uint32(got), err, uint32(c.want))
		}
	}
}

// TestDamaged refuses what the kernel would not have taken.
func TestDamaged(t *testing.T) {
	for _, p := range [][]Inst{nil, {ld(0)}, {ld(3), ret(Allow)}, {ld(64), ret(Allow)}, {op(0x02, 16), ret(Allow)}, {op(0x34, 0), ret(Allow)}, {op(0x40, 0), ret(Allow)}, {op(0x05, 1<<31), ret(Allow)}} {
		if a, err := Ask([][]Inst{p}, &Data{}); err == nil {
			t.Errorf("%v: %#x", p, uint32(a))
		}
	}
}

func FuzzAsk(f *testing.F) {
	f.Add([]byte{6, 0, 0, 0, 0, 0, 0xff, 0x7f}, uint32(9), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, nr uint32, arg uint64) {
		d := calls(nr, arg)
		Ask([][]Inst{Parse(b)}, &d)
	})
}
