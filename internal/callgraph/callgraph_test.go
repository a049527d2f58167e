package callgraph

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand"
	"slices"
	"testing"
)

// program lays functions out in memory, each at a multiple of 0x100.
type program struct {
	funcs []Func
	code  map[uint64][]byte
}

const base = 0x1000

// fn adds a function; its number says where it is. A piece of code is bytes, or a
// branch: e8 calls, e9 jumps, and 0f 84 jumps if equal.
func (p *program) fn(name string, parts ...any) {
	if p.code == nil {
		p.code = map[uint64][]byte{}
	}
	at := uint64(base + 0x100*len(p.funcs))
	var b []byte
	for _, part := range parts {
		switch v := part.(type) {
		case []byte:
			b = append(b, v...)
		case branchTo:
			b = append(b, v.op...)
			b = binary.LittleEndian.AppendUint32(b, uint32(v.to-(at+uint64(len(b))+4)))
		}
	}
	p.funcs = append(p.funcs, Func{name, at, uint64(len(b))})
	p.code[at] = b
}

type branchTo struct {
	op []byte
	to uint64
}

// at is the address of a place in function n.
func at(n int, off uint64) uint64 { return base + 0x100*uint64(n) + off }

func call(n int) branchTo            { return branchTo{[]byte{0xe8}, at(n, 0)} }
func jmp(n int, off uint64) branchTo { return branchTo{[]byte{0xe9}, at(n, off)} }
func je(n int, off uint64) branchTo  { return branchTo{[]byte{0x0f, 0x84}, at(n, off)} }
func rdi(n int) branchTo             { return branchTo{[]byte{0x48, 0x8d, 0x3d}, at(n, 0)} }
func (p *program) graph(t *testing.T, opt Options) *Graph {
	t.Helper()
	g, err := New(t.Context(), p.funcs, p.read, opt)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (p *program) read(addr, size uint64) ([]byte, error) {
	if b := p.code[addr]; uint64(len(b)) >= size {
		return b[:size], nil
	}
	return nil, errors.New("nothing there")
}

var (
	ret     = []byte{0xc3}
	nop     = []byte{0x90}
	ud2     = []byte{0x0f, 0x0b}
	callReg = []byte{0xff, 0xd0}
	jmpReg  = []byte{0xff, 0xe0}
)

func sample() *program {
	p := &program{}
	p.fn("leaf", nop, ret)                                 // 0
	p.fn("spin", nop, jmp(1, 0))                           // 1: jmp to itself
	p.fn("calls_spin", call(1))                            // 2: nothing is behind it
	p.fn("tail_spin", nop, jmp(1, 0))                      // 3
	p.fn("may_spin", je(4, 11), call(1), ret)              // 4: returns where equal
	p.fn("thread", call(0), je(5, 16), jmp(5, 0), ret)     // 5: a loop that is left
	p.fn("server", call(0), je(6, 0), call(7), jmp(6, 0))  // 6: a loop that is not
	p.fn("end_task", jmp(1, 0))                            // 7: Ends
	p.fn("pointer", callReg, jmpReg)                       // 8
	p.fn("hot", je(10, 0), ret)                            // 9: goes to its cold part
	p.fn("hot.cold", call(0), jmp(9, 6))                   // 10: and back
	p.fn("starts", rdi(5), call(12), ret)                  // 11: hands thread over
	p.fn("spawn", ret)                                     // 12
	p.fn("bug", ud2, ret)                                  // 13
	p.fn("recursive", call(14), ret)                       // 14
	p.fn("nested", call(0), je(15, 0), call(0), je(15, 0)) // 15: falls off its end
	p.fn("self_only", jmp(16, 0))                          // 16
	return p
}

func TestReturns(t *testing.T) {
	p := sample()
	g := p.graph(t, Options{Ends: map[uint64]bool{at(7, 0): true}, Stops: map[uint64]bool{at(13, 0): true}})
	never := map[string]bool{"spin": true, "calls_spin": true, "tail_spin": true, "server": true, "end_task": true, "bug": true, "nested": true, "self_only": true}
	for fn := range g.Len() {
		if name := g.Func(fn).Name; g.Owner(fn) == fn && g.Returns(fn) == never[name] {
			t.Errorf("%s: returns %v", name, g.Returns(fn))
		}
	}
	if g := p.graph(t, Options{}); !g.Returns(13) {
		t.Error("a trap that is no BUG() ends a function")
	}
	if g := p.graph(t, Options{Never: map[uint64]bool{at(0, 0): true}}); g.Returns(6) || g.Returns(5) || !g.Returns(14) {
		t.Error("what is known not to return does")
	}
}

func TestLoops(t *testing.T) {
	g := sample().graph(t, Options{Ends: map[uint64]bool{at(7, 0): true}})
	for _, c := range []struct {
		fn      int
		loops   int
		endless bool
		calls   []int
	}{
		{0, 0, false, nil}, {1, 1, true, nil}, {5, 1, false, []int{0}}, {6, 1, false, []int{0}}, {9, 0, false, nil}, {14, 0, false, nil},
		{15, 1, true, []int{0}}, {16, 1, true, nil},
	} {
		l := g.Loops(c.fn)
		if len(l) != c.loops {
			t.Errorf("%s: %d loops, want %d", g.Func(c.fn).Name, len(l), c.loops)
			continue
		}
		if c.loops > 0 && (l[0].Endless != c.endless || !slices.Equal(l[0].Calls, c.calls)) {
			t.Errorf("%s: %+v, want %+v", g.Func(c.fn).Name, l[0], c)
		}
	}
	if l := sample().graph(t, Options{}).Loops(6); len(l) != 1 || !l[0].Endless {
		t.Errorf("server, where nothing ends the task: %+v", l)
	}
}

func TestCalls(t *testing.T) {
	g := sample().graph(t, Options{Args: map[uint64]bool{at(12, 0): true}})
	if h := g.Handovers(); len(h) != 1 || h[0].Caller != 11 || h[0].Args[0] != at(5, 0) || h[0].Args[1] != 0 {
		t.Errorf("handovers %+v", h)
	}
	if g.Owner(10) != 9 || !slices.Equal(g.Callees(9), []int{0}) {
		t.Errorf("the cold part belongs to %d, callees %v", g.Owner(10), g.Callees(9))
	}
	if c := g.Callers(1); !slices.Equal(c, []int32{2, 3, 4, 7}) {
		t.Errorf("callers of spin: %v", c)
	}
	in := g.Reaching([]int{0}, func(fn int) bool { return fn == 6 })
	if !in[5] || !in[9] || in[6] || in[11] || !in[0] {
		t.Errorf("reaching leaf: %v", in)
	}
	r := g.Reach([]int{11, 6}, func(fn int) bool { return fn == 7 })
	if !r.Has(12) || r.Has(1) || !slices.Equal(r.Way(0), []int{6, 0}) || r.Way(1) != nil {
		t.Errorf("reached by starts and server: %v", r.by)
	}
	only := g.Only(r, []int{11, 6})
	if !only[12] || only[0] || only[7] != true {
		t.Errorf("only they run: %v", only)
	}
}

// TestOdd has what makes no sense.
func TestOdd(t *testing.T) {
	p := &program{}
	p.fn("cut", []byte{0xe8, 0, 0})
	p.fn("away", branchTo{[]byte{0xe9}, 1 << 30})
	p.fn("middle", jmp(0, 1))
	p.funcs = append(p.funcs, Func{"overlap", at(1, 2), 1 << 40}, Func{"twin", at(1, 0), 5}, Func{"empty", at(9, 0), 0})
	g := p.graph(t, Options{})
	if g.Len() != 5 {
		t.Errorf("%d functions", g.Len())
	}
	if i, ok := g.At(at(1, 1)); !ok || g.Func(i).Name != "away" || g.Func(i).Size != 2 {
		t.Errorf("away: %v %v", g.Func(i), ok)
	}
	if _, ok := g.At(0); ok {
		t.Error("something is at 0")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(ctx, p.funcs, p.read, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if g, err := New(t.Context(), nil, p.read, Options{}); err != nil || g.Len() != 0 {
		t.Errorf("nothing: %v", err)
	}
}

// FuzzGraph takes any bytes for functions.
func FuzzGraph(f *testing.F) {
	f.Add([]byte{0xe8, 0, 0, 0, 0, 0xeb, 0xfe, 0xc3}, int64(1))
	f.Fuzz(func(t *testing.T, code []byte, seed int64) {
		r := rand.New(rand.NewSource(seed))
		var funcs []Func
		for off := 0; off < len(code); off += 1 + r.Intn(40) {
			funcs = append(funcs, Func{[]string{"f", "f.cold", "g"}[r.Intn(3)], uint64(off), uint64(r.Intn(80))})
		}
		read := func(addr, size uint64) ([]byte, error) {
			if addr+size > uint64(len(code)) {
				return nil, errors.New("behind the end")
			}
			return code[addr : addr+size], nil
		}
		g, err := New(t.Context(), funcs, read, Options{Ends: map[uint64]bool{7: true}})
		if err != nil {
			t.Fatal(err)
		}
		for fn := range g.Len() {
			g.Loops(fn)
		}
		if g.Len() > 0 {
			g.Only(g.Reach([]int{0}, func(int) bool { return false }), []int{0})
		}
	})
}

// BenchmarkGraph is linear: a chain of functions that never return, and a function
// with a long loop.
func BenchmarkGraph(b *testing.B) {
	for _, n := range []int{1000, 10000, 100000} {
		code := make([]byte, 0, 16*n)
		var funcs []Func
		for i := range n {
			funcs = append(funcs, Func{"f", uint64(16 * i), 16})
			code = append(code, 0xe8, 11, 0, 0, 0, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90)
		}
		b.Run("", func(b *testing.B) {
			for b.Loop() {
				if _, err := New(b.Context(), funcs, func(a, s uint64) ([]byte, error) { return code[a : a+s], nil }, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
