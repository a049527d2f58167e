package module

import (
	"testing"

	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/reloc"
)

// TestCheckMethods has functions with a type on their stacks replaced alike, and not.
func TestCheckMethods(t *testing.T) {
	fn := func(addr uint64, method string) Function { return Function{Addr: addr, Method: method} }
	traced := []patched{{Function: fn(1, MethodFtrace)}, {Function: fn(2, MethodFtrace)}}
	jumps := []jump{{Function: fn(3, MethodJump)}}
	for _, c := range []struct {
		what   string
		addrs  []uint64
		probes []probed
		judged bool
	}{
		{"traced", []uint64{1, 2}, nil, false},
		{"jumps", []uint64{3}, nil, false},
		{"both", []uint64{1, 3}, nil, true},
		{"a probe", []uint64{4}, []probed{{Function: fn(4, MethodProbe)}}, false},
		{"a probe of another pair", []uint64{1}, []probed{{Function: fn(4, MethodProbe)}}, false},
		{"two probes", []uint64{4, 5}, []probed{{Function: fn(4, MethodProbe)}, {Function: fn(5, MethodProbe)}}, true},
		{"a probe beside", []uint64{2, 4}, []probed{{Function: fn(4, MethodProbe)}}, true},
	} {
		b := &builder{objects: []*kobject{{patched: traced, jumps: jumps}}, probes: c.probes}
		p := &Pair{Match: &reloc.Result{}}
		for _, a := range c.addrs {
			p.Match.Functions = append(p.Match.Functions, reloc.FuncResult{Address: a})
		}
		b.checkMethods(&types.Change{Kind: types.LayoutChanged, Name: "struct x", OnStack: true}, p)
		if (len(b.refused) > 0) != c.judged {
			t.Errorf("%s: %v", c.what, b.refused.err())
		}
	}
}
