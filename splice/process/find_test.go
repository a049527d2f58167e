//go:build linux && amd64

package process

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// alike is memory of which every page begins with the same bytes.
type alike struct{ head []byte }

func (m alike) ReadAddr(p []byte, addr uint64) (int, error) {
	for i := range p {
		p[i] = 0
		if at := (addr + uint64(i)) % splice.PageSize; at < uint64(len(m.head)) {
			p[i] = m.head[at]
		}
	}
	return len(p), nil
}

// look finds the records in one mapping.
func look(ctx context.Context, mem readerAt, size uint64) ([]*record, error) {
	m := procfs.Mapping{Start: forgedStart, End: forgedStart + size, Perm: procfs.Read}
	f := &finder{ctx: ctx, mem: mem, maps: []procfs.Mapping{m}, room: maxRecords, probes: maxProbe}
	err := f.mapping(&m)
	return f.found, err
}

// unsealed is the head of a record of size bytes with a wrong sum.
func unsealed(size uint64) []byte {
	b := append([]byte(recordMagic), make([]byte, recordHead-len(recordMagic))...)
	binary.LittleEndian.PutUint64(b[16:], size)
	return b
}

// TestFindBounds looks for records in the memory of processes that make it take
// long.
func TestFindBounds(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name string
		ctx  context.Context
		head []byte
		size uint64
		want error // nil, splice.ErrRefused, or of the context
	}{
		{"nothing", context.Background(), nil, 64 << 20, nil},
		{"a half written record", context.Background(), unsealed(100), 2 * splice.PageSize, nil},
		{"half written records in each page", context.Background(), unsealed(maxRecord), 64 << 20, splice.ErrRefused},
		{"small ones", context.Background(), unsealed(3000), 1 << 30, splice.ErrRefused},
		{"too long", context.Background(), unsealed(maxRecord + 1), 64 << 20, splice.ErrRefused},
		{"a terabyte", context.Background(), nil, 1 << 40, splice.ErrRefused},
		{"cancelled", gone, unsealed(maxRecord), 64 << 20, context.Canceled},
		{"cancelled in a terabyte", gone, nil, 1 << 40, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			testenv.Bounded(t, int(min(c.size, maxRecords)), func() {
				found, err := look(c.ctx, alike{c.head}, c.size)
				if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || len(found) > 0 {
					t.Errorf("%d records, %v", len(found), err)
				}
			})
		})
	}
}

// TestSuperseded asks each of many records that have the same jump whether another
// one wrote it, which takes as long as there are records.
func TestSuperseded(t *testing.T) {
	const n = 20_000
	r := forged(t, 0x400000, make([]byte, 14))
	var all []*record
	for range n {
		c := *r
		all = append(all, &c)
	}
	table := newJumpTable(all)
	for i, c := range all {
		c.jumps = table
		d := &c.Redirects[0]
		if !c.superseded(memOf(d, d.Direct), d) || !c.superseded(memOf(d, d.Staged), d) || c.superseded(memOf(d, d.Orig), d) {
			t.Fatalf("record %d", i)
		}
	}
	if one := newJumpTable(all[:1]); len(one) != 2 {
		t.Errorf("%d jumps", len(one))
	}
	all[0].jumps = newJumpTable(all[:1])
	if d := &all[0].Redirects[0]; all[0].superseded(memOf(d, d.Direct), d) {
		t.Error("superseded by itself")
	}
}

// codeAt is memory that has a few bytes at an address.
type codeAt struct {
	at uint64
	b  []byte
}

func memOf(d *recordRedirect, b []byte) codeAt { return codeAt{d.At, b} }

func (c codeAt) ReadAddr(p []byte, addr uint64) (int, error) {
	if addr < c.at || addr-c.at > uint64(len(c.b)) || copy(p, c.b[addr-c.at:]) < len(p) {
		return 0, errors.New("nothing is there")
	}
	return len(p), nil
}

// TestRecycled seizes a process that has its ID from another one, by what its
// start says.
func TestRecycled(t *testing.T) {
	v, _, _ := odd(t, configNamed("O2-pie"))
	id, err := procfs.Identify(v.pid)
	if err != nil {
		t.Fatal(err)
	}
	id.Start--
	opt := Options{}
	opt.defaults()
	s, err := seize(context.Background(), id, &opt)
	if s != nil || !errors.Is(err, procfs.ErrRecycled) {
		t.Fatalf("%v, %v", s, err)
	}
	checkRefusal(t, explain(err), CodeGone)
	v.expect("it runs on", "7:107")
}
