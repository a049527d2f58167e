package foresee

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
)

// A memory is some of the memory of a kernel, from an address on.
type memory struct {
	start uint64
	b     []byte
}

func (m *memory) ReadAddr(p []byte, addr uint64) (int, error) {
	if addr < m.start || addr+uint64(len(p)) > m.start+uint64(len(m.b)) {
		return 0, errors.New("nothing is there")
	}
	return copy(p, m.b[addr-m.start:]), nil
}

func (m *memory) put(addr, v uint64) { binary.LittleEndian.PutUint64(m.b[addr-m.start:], v) }

var statesLayout = kernel.Layout{
	"module":    {Offsets: map[string]uint64{"name": 24}},
	"klp_patch": {Offsets: map[string]uint64{"mod": 0, "states": 16, "list": 32}},
	"klp_state": {Size: 24, Offsets: map[string]uint64{"id": 0, "version": 8}},
}

// The places in the memory of the test.
const (
	listHead                    = 0x1000
	onePatch, twoPatch          = 0x1100, 0x1200
	oneModule, twoModule        = 0x1300, 0x1400
	oneStates                   = 0x1500
	jumpsOfOurs          uint64 = 0x706d756a70736f67 // "gospjump"
)

// twoPatches has a list of two, of which the first has two states.
func twoPatches() *memory {
	m := &memory{listHead, make([]byte, 0x1000)}
	for at, v := range map[uint64]uint64{
		listHead: onePatch + 32, onePatch + 32: twoPatch + 32, twoPatch + 32: listHead,
		onePatch: oneModule, twoPatch: twoModule, onePatch + 16: oneStates,
		oneStates: jumpsOfOurs, oneStates + 8: 1, oneStates + 24: 7, oneStates + 32: 3,
	} {
		m.put(at, v)
	}
	copy(m.b[oneModule+24-listHead:], "one")
	copy(m.b[twoModule+24-listHead:], "two")
	return m
}

// TestStates reads what livepatches have changed, and holds it against what another one knows.
func TestStates(t *testing.T) {
	got, err := statesOf(&reader{core: twoPatches()}, listHead, statesLayout)
	if err != nil {
		t.Fatal(err)
	}
	want := []state{{kofile.State{ID: jumpsOfOurs, Version: 1}, "one"}, {kofile.State{ID: 7, Version: 3}, "one"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(state{})); diff != "" {
		t.Fatal(diff)
	}
	for _, tt := range []struct {
		name    string
		replace bool
		known   map[uint64]uint32
		says    string // "" when it is not refused
	}{
		{"all", true, map[uint64]uint32{jumpsOfOurs: 1, 7: 3}, ""},
		{"later ones", true, map[uint64]uint32{jumpsOfOurs: 2, 7: 4}, ""},
		{"none, beside them", false, nil, ""},
		{"one", true, map[uint64]uint32{7: 3}, `one has changed more than functions (version 1 of state "gospjump"), and it does not know that`},
		{"an earlier one", false, map[uint64]uint32{7: 2}, "(version 3 of state 0x7), and it knows version 2"},
	} {
		c := &checker{replace: tt.replace, out: &Forecast{}}
		c.compatible(tt.known, got)
		f := c.out.Findings
		if (len(f) > 0) != (tt.says != "") || len(f) > 0 && (f[0].Effect != Refused || f[0].Who[0] != "one" || !strings.Contains(f[0].Message, tt.says)) {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
}

// TestBadStates reads lists that have no end, or lead nowhere.
func TestBadStates(t *testing.T) {
	for name, change := range map[string][2]uint64{
		"no end": {twoPatch + 32, onePatch + 32}, "nowhere": {twoPatch + 32, 5}, "no module": {onePatch, 9}, "no states": {onePatch + 16, 1},
	} {
		m := twoPatches()
		m.put(change[0], change[1])
		if got, err := statesOf(&reader{core: m}, listHead, statesLayout); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}
