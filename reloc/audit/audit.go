package audit

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/internal/errname"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
)

// A Report is what comparing a whole running kernel with its file found out.
type Report struct {
	Bytes    uint64        `json:"bytes"`  // of code and constants that were compared
	Moved    int           `json:"moved"`  // fields that hold an address, and moved by as much as the kernel did
	Sites    int           `json:"sites"`  // places that the kernel rewrites and has rewritten, in a form that is known
	Opaque   int           `json:"opaque"` // those among them of which only the place is checked, see below
	Patches  []image.Patch `json:"patches"`
	Findings []Finding     `json:"findings"` // what nothing explains, by address
}

// A Finding is a stretch of memory that is not what was linked.
type Finding struct {
	Addr        uint64 // run address
	Symbol      string // the function or variable that it lies in, "" when not known
	Offset      uint64 // of Addr in that
	Linked, Run []byte
}

// String returns the finding on one line.
func (f *Finding) String() string {
	return fmt.Sprintf("%s+%#x at %#x: linked % x, runs % x", cmp.Or(f.Symbol, "(no symbol)"), f.Offset, f.Addr, f.Linked, f.Run)
}

// Kernel compares all code and constants of a running kernel with the
// vmlinux that it was booted from, byte by byte. It needs no objects: the tables
// of the vmlinux say what the kernel rewrites. The error is about what can't be
// compared at all, such as another build.
//
// What stands at a site has to be what the kernel would write there: the
// replacement of an alternative as it is copied, the function that pv_ops or the
// key of a static call has at present, the target of a jump label, the value of a
// runtime constant. Of a site is only the place checked where the vmlinux lacks
// the symbol that says so.
//
// Variables are not compared, nor what is only constant once the kernel has
// started (.data..ro_after_init). Who can write to these can lead calls through
// them elsewhere, without a change of code.
func Kernel(ctx context.Context, vmlinux string, run *image.Image) (*Report, error) {
	file, err := kernel.Open(vmlinux)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	a := &auditor{file: file, run: run, looks: look{view: image.NewView(run)}}
	if err := a.prepare(); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	pieces := a.pieces()
	parts := make([]*Report, len(pieces))
	g, some := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range pieces {
		g.Go(func() error {
			if err := some.Err(); err != nil {
				return err
			}
			var err error
			parts[i], err = a.compare(p[0], p[1])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	sum := &Report{}
	for _, p := range parts {
		sum.Bytes += p.Bytes
		sum.Moved += p.Moved
		sum.Sites += p.Sites
		sum.Opaque += p.Opaque
		sum.Patches = append(sum.Patches, p.Patches...)
		sum.Findings = append(sum.Findings, p.Findings...)
	}
	if err := a.confirm(ctx, sum); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return sum, nil
}

// Code that is being rewritten has int3 for its first byte for a moment, and what
// a site should hold may have changed between two reads: see text_poke_bp of
// arch/x86/kernel/alternative.c, Linux 6.1.
const (
	confirmTimes = 3
	confirmDelay = 20 * time.Millisecond
	confirmMost  = 4096 // differences: more are no coincidence
)

// confirm looks again at what nothing explains, and at breakpoints, and keeps what
// is still there.
func (a *auditor) confirm(ctx context.Context, sum *Report) error {
	for range confirmTimes {
		again := &Report{Patches: sum.Patches[:0:0]}
		var places [][2]uint64
		for i := range sum.Findings {
			f := &sum.Findings[i]
			places = append(places, [2]uint64{f.Addr, f.Addr + uint64(len(f.Run))})
		}
		for _, p := range sum.Patches {
			if p.Kind == image.PatchBreakpoint {
				places = append(places, [2]uint64{p.Address, p.Address + 1})
			} else {
				again.Patches = append(again.Patches, p)
			}
		}
		if len(places) == 0 || len(places) > confirmMost {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(confirmDelay):
		}
		a.looks.view = image.NewView(a.run)
		for _, p := range places {
			part, err := a.compare(p[0]-a.bias, p[1]-a.bias)
			if err != nil {
				return err
			}
			again.Patches = append(again.Patches, part.Patches...)
			again.Findings = append(again.Findings, part.Findings...)
		}
		sum.Patches, sum.Findings = again.Patches, again.Findings
	}
	slices.SortStableFunc(sum.Patches, func(x, y image.Patch) int { return cmp.Compare(x.Address, y.Address) })
	return nil
}

// auditor compares one kernel.
type auditor struct {
	file  *kernel.Image
	run   *image.Image
	sites *kernel.Sites
	bias  uint64
	spans [][2]uint64 // link addresses of what is compared
	text  [2]uint64
	marks marks
	looks look
}

// look is a view for what sites refer to, which pieces share: a running kernel
// may be far away, and is read once.
type look struct {
	mu   sync.Mutex
	view *image.View
}

// bytes returns n bytes of run.
func (l *look) bytes(addr, n uint64) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.view.Bytes(addr, n)
}

// word returns 8 bytes of run.
func (l *look) word(addr uint64) (uint64, bool) {
	b, err := l.bytes(addr, 8)
	if err != nil {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b), true
}

// prepare makes sure that the two are one build, and finds what to compare.
func (a *auditor) prepare() error {
	if !a.run.IsRunning() {
		return errors.New("what runs is no running kernel")
	}
	id, _, err := a.file.BuildID()
	if err != nil {
		return err
	}
	main := &a.run.Modules()[0]
	if main.BuildID != nil && !bytes.Equal(id, main.BuildID) {
		return errname.As(fmt.Errorf("the kernel that runs has build-id %x, and %s has %x", main.BuildID, a.file.Path, id), image.ErrOtherBuild)
	}
	a.bias = main.Bias
	layout, err := a.file.Layout()
	if err != nil {
		return err
	}
	if a.sites, err = a.file.Sites(layout); err != nil {
		return err
	}
	if err := a.readMarks(); err != nil {
		return err
	}
	at := func(name string) (addr uint64) {
		var s kernel.Symbol
		if err == nil {
			s, err = a.file.Symbol(name)
		}
		return s.Addr
	}
	a.text = [2]uint64{at(kerneltab.ImageStart), at(kerneltab.TextEnd)}
	wide := [][2]uint64{
		a.text, {at(kerneltab.RodataStart), at(kerneltab.ROAfterInitStart)}, {at(kerneltab.ROAfterInitEnd), at(kerneltab.RodataEnd)},
	}
	for _, s := range a.file.File.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Type == elf.SHT_NOBITS || s.Size == 0 {
			continue // what is between sections is padding of some kind
		}
		for _, w := range wide {
			if lo, hi := max(w[0], s.Addr), min(w[1], s.Addr+s.Size); lo < hi {
				a.spans = append(a.spans, [2]uint64{lo, hi})
			}
		}
	}
	return err
}

// pieceSize is how much is compared at a time.
const pieceSize = 256 << 10

func (a *auditor) pieces() [][2]uint64 {
	var out [][2]uint64
	for _, s := range a.spans {
		for at := s[0]; at < s[1]; at += pieceSize {
			out = append(out, [2]uint64{at, min(at+pieceSize, s[1])})
		}
	}
	return out
}

// margin is how far what covers a difference may begin before it, and end
// behind it.
const margin = 1024

// compare compares one piece, by link addresses.
func (a *auditor) compare(lo, hi uint64) (*Report, error) {
	from, to := lo-min(margin, lo-a.spanOf(lo)[0]), hi+min(margin, a.spanOf(lo)[1]-hi)
	linked, err := a.file.Read(from, to-from)
	if err != nil {
		return nil, err
	}
	run := make([]byte, len(linked))
	if err := a.run.ReadAddr(run, from+a.bias); err != nil {
		return nil, err
	}
	p := &part{auditor: a, out: &Report{Bytes: hi - lo}, base: from, linked: linked, run: run}
	for i := int(lo - from); i < int(hi-from); {
		if n := equalPrefix(linked[i:], run[i:]); n > 0 {
			i += n
			continue
		}
		i += p.explain(i)
	}
	return p.out, nil
}

func (a *auditor) spanOf(addr uint64) [2]uint64 {
	for _, s := range a.spans {
		if s[0] <= addr && addr < s[1] {
			return s
		}
	}
	return [2]uint64{addr, addr}
}

// equalPrefix returns how many bytes are equal.
func equalPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+64 <= n && bytes.Equal(a[i:i+64], b[i:i+64]); i += 64 {
	}
	for ; i < n && a[i] == b[i]; i++ {
	}
	return i
}
