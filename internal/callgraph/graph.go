package callgraph

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
)

// A Func is a stretch of code.
type Func struct {
	Name string
	Addr uint64
	Size uint64 // bytes
}

// Options says what to note besides branches. The zero value is fine.
type Options struct {
	// Args are the addresses of functions whose constant arguments are wanted.
	Args map[uint64]bool
	// Returns are the addresses of code that is left although it does not look so:
	// thunks, which jump to where a register says.
	Returns map[uint64]bool
	// Stops are the addresses of traps behind which execution does not go on, as in
	// BUG(); it does behind others, as in WARN().
	Stops map[uint64]bool
	// Never are the addresses of functions that are known not to return, such as
	// those of another image, which have no code here.
	Never map[uint64]bool
	// Ends are the addresses of functions that end the task: they never return,
	// and yet are a way out of a loop.
	Ends map[uint64]bool
}

// A Handover is a call of one of [Options].Args.
type Handover struct {
	Caller int    // that calls
	Callee uint64 // address of what is called
	// Args are the first two arguments (%rdi and %rsi), where these are constants
	// that are set in front of the call; else 0.
	Args [2]uint64
}

// A Graph is immutable, and safe for concurrent use.
type Graph struct {
	funcs     []Func // by address, not overlapping
	first     []int32
	branches  []branch
	owner     []int32           // of a cold part the function, of others themselves
	parts     map[int32][]int32 // cold parts by their owner
	certain   []bool            // Options.Returns
	ends      []bool            // Options.Ends
	noreturn  []bool
	callers   []int32 // of all functions, one after the other
	calledAt  []int32 // where those of each begin
	handovers []Handover
}

// branch is an instruction after which execution does not just go on.
type branch struct {
	addr, to uint64 // to is 0 where it is not known
	fn       int32
	len      uint8
	class    amd64.Class
}

// New decodes the functions. Names for one address but the first are left out, and
// what overlaps is cut off. A function of no size has no code: something of another
// image that is called. read returns the bytes of one; code that can't be read
// or decoded ends there. The error is that of the context.
func New(ctx context.Context, funcs []Func, read func(addr, size uint64) ([]byte, error), opt Options) (*Graph, error) {
	g := &Graph{funcs: arrange(funcs)}
	g.first = make([]int32, 0, len(g.funcs)+1)
	for i := range g.funcs {
		if i%256 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		g.first = append(g.first, int32(len(g.branches)))
		if g.funcs[i].Size == 0 {
			continue
		}
		if code, err := read(g.funcs[i].Addr, g.funcs[i].Size); err == nil {
			g.decode(i, code, &opt)
		}
	}
	g.first = append(g.first, int32(len(g.branches)))
	g.findOwners()
	g.findCallers()
	g.certain, g.ends, g.noreturn = g.marked(opt.Returns), g.marked(opt.Ends), g.marked(opt.Never)
	g.findReturns()
	return g, nil
}

// marked turns addresses into a set of functions.
func (g *Graph) marked(addrs map[uint64]bool) []bool {
	out := make([]bool, len(g.funcs))
	for a := range addrs {
		if i, ok := g.At(a); ok {
			out[i] = true
		}
	}
	return out
}

// arrange sorts functions, and has each end where the next begins.
func arrange(funcs []Func) []Func {
	out := slices.Clone(funcs)
	slices.SortStableFunc(out, func(a, b Func) int { return cmp.Compare(a.Addr, b.Addr) })
	out = slices.CompactFunc(out, func(a, b Func) bool { return a.Addr == b.Addr })
	for i := range out[:max(len(out)-1, 0)] {
		out[i].Size = min(out[i].Size, out[i+1].Addr-out[i].Addr)
	}
	return out
}

// decode notes the branches of a function.
func (g *Graph) decode(fn int, code []byte, opt *Options) {
	addr := g.funcs[fn].Addr
	var args [2]uint64
	for off := 0; off < len(code); {
		in, err := amd64.Decode(code[off:])
		if err != nil {
			return
		}
		at := addr + uint64(off)
		g.note(fn, in, code[off:], at, opt, args)
		constant(&args, in, code[off:], at)
		off += int(in.Len)
	}
}

func (g *Graph) note(fn int, in amd64.Inst, b []byte, at uint64, opt *Options, args [2]uint64) {
	switch in.Class {
	case amd64.Jump, amd64.JumpInd, amd64.Jcc, amd64.LoopCC, amd64.Call, amd64.CallInd, amd64.Ret, amd64.TxBegin:
	case amd64.Trap:
		if !opt.Stops[at] {
			return
		}
	default:
		return
	}
	to, _ := in.Target(b, at)
	g.branches = append(g.branches, branch{at, to, int32(fn), in.Len, in.Class})
	if opt.Args[to] && (in.Class == amd64.Call || in.Class == amd64.Jump) {
		g.handovers = append(g.handovers, Handover{fn, to, args})
	}
}

// constant follows the constants in %rdi and %rsi: mov $imm32 (c7 /0 with REX.W, or
// b8+r) and lea (8d, RIP-relative). Calls leave nothing there.
func constant(args *[2]uint64, in amd64.Inst, b []byte, at uint64) {
	if in.Class == amd64.Call || in.Class == amd64.CallInd {
		*args = [2]uint64{}
		return
	}
	op := b[in.OpOff]
	for i, reg := range []byte{7, 6} { // %rdi, %rsi
		switch {
		case in.Len == 7 && b[0] == 0x48 && op == 0xc7 && b[2] == 0xc0|reg:
			args[i] = uint64(int64(int32(uint32(b[3]) | uint32(b[4])<<8 | uint32(b[5])<<16 | uint32(b[6])<<24)))
		case in.Len == 7 && b[0] == 0x48 && op == 0x8d && b[2] == 0x05|reg<<3:
			args[i], _ = in.Operand(b, at)
		}
	}
}

// isCold reports whether a name is that of a part of another function.
func isCold(name string) bool { return strings.Contains(name, ".cold") }

// Len returns the number of functions.
func (g *Graph) Len() int { return len(g.funcs) }

// Func returns a function by its number.
func (g *Graph) Func(i int) Func { return g.funcs[i] }

// Owner returns the function that a cold part belongs to, and any other itself.
func (g *Graph) Owner(i int) int { return int(g.owner[i]) }

// At returns the number of the function that an address lies in.
func (g *Graph) At(addr uint64) (int, bool) {
	i, ok := slices.BinarySearchFunc(g.funcs, addr, func(f Func, a uint64) int { return cmp.Compare(f.Addr, a) })
	if ok {
		return i, true
	}
	i--
	return i, i >= 0 && addr-g.funcs[i].Addr < g.funcs[i].Size
}

// starts returns the number of the function that begins at an address.
func (g *Graph) starts(addr uint64) (int, bool) {
	return slices.BinarySearchFunc(g.funcs, addr, func(f Func, a uint64) int { return cmp.Compare(f.Addr, a) })
}

// Handovers returns the calls of what [Options].Args lists. It must not be changed.
func (g *Graph) Handovers() []Handover { return g.handovers }
