//go:build linux && amd64

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// Inspect says which code runs of each function that an update replaces: the old one, that of
// the update, or other code. The process is not stopped.
//
// Of a process that holds the update, it links the update once more for where it is, and compares
// all code, constants and jumps in memory with that, byte by byte: only then a function is [New].
func Inspect(ctx context.Context, pid int, u *splice.Update) (*Inspection, error) {
	if u == nil {
		return nil, fmt.Errorf("inspect process %d: %w", pid, errNoUpdate)
	}
	v, err := OpenView(ctx, pid)
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", u.Name, err)
	}
	defer v.Close()
	return v.Inspect(u)
}

// A View is a process that is looked at, for several updates: what it maps, and the updates that
// it holds, are found once. It is not safe for concurrent use.
type View struct {
	id      procfs.ID
	img     *image.Image
	records []*record
}

// OpenView opens a process, which is not stopped. While it is being started, or its dynamic linker
// is at work, it is waited for, for 2 s; then it is refused with [CodeNotReady].
func OpenView(ctx context.Context, pid int) (*View, error) {
	v, err := openView(ctx, pid)
	if err != nil {
		return nil, fmt.Errorf("look at process %d: %w", pid, explain(err))
	}
	return v, nil
}

func openView(ctx context.Context, pid int) (*View, error) {
	id, err := procfs.Identify(pid)
	if err == nil {
		err = awaitLinked(ctx, pid)
	}
	if err != nil {
		return nil, err
	}
	img, err := image.OpenProcess(pid)
	if err != nil {
		return nil, err
	}
	records, err := findRecords(ctx, pid, imageMem{img})
	if err != nil {
		img.Close()
		return nil, err
	}
	return &View{id, img, records}, nil
}

// Image is what the process maps, to match objects with it. It is closed with the view.
func (v *View) Image() *image.Image { return v.img }

// Check returns an error when the process has ended, or has executed another program, since it was
// opened: what was found in it, or not found, says nothing then.
func (v *View) Check() error {
	err := v.id.Check()
	if err == nil && !v.isSame() {
		if err = isProgram(v.id.PID); err == nil { // it has not ended
			err = ptrace.Exec
		}
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", v.id.PID, explain(err))
	}
	return nil
}

// isSame reports whether the memory that was opened is still there.
func (v *View) isSame() bool {
	for _, m := range v.img.Modules() {
		if err := v.img.ReadAddr(make([]byte, 1), m.Start); errors.Is(err, procfs.ErrGone) {
			return false
		}
	}
	return true
}

// Close lets go of the process.
func (v *View) Close() error {
	if v.img == nil {
		return nil
	}
	return v.img.Close()
}

// Inspect is that of one update, see [Inspect].
func (v *View) Inspect(u *splice.Update) (*Inspection, error) {
	if u == nil {
		return nil, fmt.Errorf("inspect process %d: %w", v.id.PID, errNoUpdate)
	}
	out, err := v.inspect(u)
	if err != nil {
		return nil, fmt.Errorf("inspect %s in process %d: %w", u.Name, v.id.PID, explain(err))
	}
	return out, nil
}

func (v *View) inspect(u *splice.Update) (*Inspection, error) {
	p, err := unverified(u, v.img)
	if err != nil {
		return nil, err
	}
	mem := imageMem{v.img}
	x := &inspector{plan: p, mem: mem, records: v.records}
	x.choose()
	out := x.inspect()
	if x.rec != nil {
		st, _ := x.rec.state(mem)
		out.Report = x.rec.report(v.id.PID, st)
	}
	return out, v.id.Check()
}

// inspector compares an update with what a process has of it.
type inspector struct {
	*plan
	mem     readerAt
	records []*record
	rec     *record // of the update; nil when the process holds none
	differs error   // where memory is not what the update says, of a process that holds it
}

// choose takes the record of the update, rather one that is in use.
func (v *inspector) choose() {
	for _, r := range v.records {
		if r.ID != v.update.ID() {
			continue
		}
		if st, _ := r.state(v.mem); v.rec == nil || st != Kept {
			v.rec = r
		}
	}
}

func (v *inspector) inspect() *Inspection {
	out := &Inspection{}
	if v.rec != nil {
		if v.differs = v.compare(); v.differs != nil {
			out.Differs = v.differs.Error()
		}
	}
	for i := range v.update.Objects {
		for k := range v.update.Objects[i].Redirects {
			r := &v.update.Objects[i].Redirects[k]
			out.Functions = append(out.Functions, v.function(r))
		}
	}
	return out
}

// function says what runs of one function.
func (v *inspector) function(r *splice.Redirect) Function {
	f := Function{Name: r.Function, Module: v.update.Modules[r.Old[0].Module].Name, Address: v.addr(r.Old[0].Place), Runs: Other}
	if v.isOld(r) {
		f.Runs = Old
		return f
	}
	for _, rec := range v.records {
		i := slices.IndexFunc(rec.Redirects, func(d recordRedirect) bool { return d.Address == f.Address && v.jumps(&d) })
		switch {
		case i < 0:
		case rec != v.rec:
			f.Why = fmt.Sprintf("update %s, %.12s, has replaced it", rec.Name, rec.ID)
			return f
		case v.differs != nil:
			f.Why = v.differs.Error()
			return f
		default:
			f.Runs, f.Address = New, rec.Redirects[i].New
			return f
		}
	}
	f.Why = "its code in memory is neither that which the update replaces nor a jump to an update"
	return f
}

// isOld reports whether the code of a function is what the update replaces.
func (v *inspector) isOld(r *splice.Redirect) bool {
	for _, s := range r.Old {
		b := make([]byte, len(s.Bytes))
		if _, err := v.mem.ReadAddr(b, v.addr(s.Place)); err != nil || !bytes.Equal(b, s.Bytes) {
			return false
		}
	}
	return true
}

// jumps reports whether a function leads straight to the new one.
func (v *inspector) jumps(d *recordRedirect) bool {
	b, err := readBytes(v.mem, d.At, len(d.Direct))
	if err != nil || !bytes.Equal(b, d.Direct) || d.Pad == nil {
		return err == nil && bytes.Equal(b, d.Direct)
	}
	b, err = readBytes(v.mem, d.Pad.At, len(d.Pad.Direct))
	return err == nil && bytes.Equal(b, d.Pad.Direct)
}

// compare links the update for where the process has it, and compares that with memory.
func (v *inspector) compare() error {
	v.hooked()
	v.layout(v.rec.Start)
	at := &v.at
	if at.end != v.rec.End || at.code != v.rec.Code[0] || at.data != v.rec.Code[1] {
		return fmt.Errorf("it is laid out otherwise than this version does it, and can't be compared")
	}
	if got, want := len(v.rec.Redirects), v.update.Redirects(); got != want {
		return fmt.Errorf("the record has %d jumps, and the update %d", got, want)
	}
	if err := v.verify(v.before); err != nil {
		return fmt.Errorf("around the jumps: %w", err)
	}
	v.read, v.chosen = v.before, map[uint64]splice.Pad{}
	for i := range v.rec.Redirects {
		if d := &v.rec.Redirects[i]; d.Pad != nil {
			v.chosen[d.Address] = splice.Pad{Start: d.Pad.At, End: d.Pad.At + uint64(len(d.Pad.Orig))}
		}
	}
	if err := v.link(); err != nil {
		return err
	}
	for i := range v.plan.rec.Redirects {
		want, is := &v.plan.rec.Redirects[i], &v.rec.Redirects[i]
		if !want.same(is) {
			return fmt.Errorf("%s: the record has another jump than the update", want.Function)
		}
	}
	slots := uint64(len(v.unwinders)) * 8 // they change when other updates come and go
	for _, part := range []struct {
		what string
		addr uint64
		want []byte
	}{{"constants", at.consts, v.linked.Const.Bytes}, {"code", at.code, v.linked.Code.Bytes}, {"stubs", at.stubs, v.stub}, {"table for unwinders", at.hooks + slots, v.hooks[slots:]}} {
		is := make([]byte, len(part.want))
		if _, err := v.mem.ReadAddr(is, part.addr); err != nil {
			return fmt.Errorf("%s of the update: %w", part.what, err)
		}
		for i := range is {
			if is[i] != part.want[i] {
				return fmt.Errorf("%s of the update differ at %#x: % x, not % x", part.what, part.addr+uint64(i), is[i:min(i+8, len(is))], part.want[i:min(i+8, len(is))])
			}
		}
	}
	return nil
}

// hooked notes the unwinders that the process has led to the update.
func (v *inspector) hooked() {
	v.unwinders = nil
	for i := range v.rec.Hooks {
		h := &v.rec.Hooks[i]
		u := unwinder{module: h.Module, addr: h.Address, code: make([]byte, maxFindFDE)}
		if s, _, ok := v.image.SymbolAt(h.Address); ok {
			u.code = u.code[:min(s.Size, maxFindFDE)]
		}
		if _, err := v.mem.ReadAddr(u.code, u.addr); err == nil {
			u.unhooked(v.records)
		}
		v.unwinders = append(v.unwinders, u)
	}
}

// before reads memory as it was before the update was applied.
func (v *inspector) before(p []byte, addr uint64) error {
	if _, err := v.mem.ReadAddr(p, addr); err != nil {
		return err
	}
	for _, w := range v.rec.writes() {
		for k, b := range w.orig {
			if at := w.at + uint64(k) - addr; w.at+uint64(k) >= addr && at < uint64(len(p)) {
				p[at] = b
			}
		}
	}
	return nil
}

// same reports whether two redirections are the same jump.
func (d *recordRedirect) same(o *recordRedirect) bool {
	if d.At != o.At || d.New != o.New || !bytes.Equal(d.Direct, o.Direct) || !bytes.Equal(d.Orig, o.Orig) {
		return false
	}
	p, q := d.Pad, o.Pad
	if p == nil || q == nil {
		return p == q
	}
	return p.At == q.At && bytes.Equal(p.Direct, q.Direct) && bytes.Equal(p.Orig, q.Orig)
}
