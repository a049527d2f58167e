package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/listing"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// threads is how many threads of the victim answer requests.
const threads = 4

// listingWidth bounds the disassembly, which gains nothing from more columns.
const listingWidth = 100

// settle is how long the load goes on between two steps.
const settle = 200 * time.Millisecond

// demo shows the whole way on a victim of its own.
func demo(ctx context.Context, w io.Writer, term cli.Terminal) error {
	s, err := startShop(threads)
	if err != nil {
		return err
	}
	defer s.close()
	s.busy()
	time.Sleep(settle)
	d := &show{w: w, term: term, shop: s, pid: s.cmd.Process.Pid}
	for _, step := range []func(context.Context) error{d.before, d.diff, d.match, d.apply, d.revert} {
		if err := errors.Join(step(ctx), context.Cause(ctx)); err != nil {
			return err
		}
	}
	return d.count()
}

// show prints what happens to a victim.
type show struct {
	w       io.Writer
	term    cli.Terminal
	shop    *shop
	pid     int
	changes *elfdiff.Diff
	update  *splice.Update
}

func (d *show) say(format string, args ...any) { fmt.Fprintf(d.w, format+"\n", args...) }

// answer asks for a price, and checks it.
func (d *show) answer(want int, comment string) error {
	line, err := d.shop.ask()
	if err != nil {
		return err
	}
	d.say("   %d pieces at 2.50: %-36s %s", pieces, line, comment)
	if got := priceOf(line); got != want {
		return fmt.Errorf("the server says %d, not %d", got, want)
	}
	return nil
}

func (d *show) before(context.Context) error {
	d.say("1. A server runs: process %d, %d threads, under load", d.pid, threads)
	return d.answer(oldTotal, "10 % off was meant, not 90 %")
}

func (d *show) diff(context.Context) error {
	pre, err := elfdiff.NewObject(bytes.NewReader(shopPre))
	if err != nil {
		return err
	}
	post, err := elfdiff.NewObject(bytes.NewReader(shopPost))
	if err != nil {
		return err
	}
	d.changes, err = elfdiff.Compare(pre, post, elfdiff.Options{})
	if err != nil {
		return err
	}
	d.say("\n2. The fix, compiled: what differs between pre.o and post.o")
	for _, list := range [][]verdict.Change{d.changes.Functions, d.changes.Data} {
		for i := range list {
			if ch := &list[i]; ch.Status != verdict.Same {
				d.say("   %-8s %-9s %s", ch.Status, ch.Kind, ch.Name)
			}
		}
	}
	for i := range d.changes.Functions {
		if ch := &d.changes.Functions[i]; ch.Status == verdict.Changed {
			d.say("\n   %s: pre on the left, post on the right", ch.Name)
			if err := listing.Write(d.w, d.changes, ch, listing.Options{Width: min(d.term.Width, listingWidth), Color: d.term.Color, Escape: d.term.Escape(), Context: 2, Indent: "   "}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *show) match(ctx context.Context) error {
	img, err := image.OpenProcess(d.pid)
	if err != nil {
		return err
	}
	defer img.Close()
	m, err := reloc.Match(ctx, d.changes.Pre, img, reloc.Options{})
	if err != nil {
		return err
	}
	d.say("\n3. Run-pre matching: the code in memory is the code of pre.o")
	for i := range m.Functions {
		f := &m.Functions[i]
		d.say("   %-8s %-9s %#x, %d bytes, singled out by %s", f.Verdict, f.Name, f.Address, f.Size, f.By)
	}
	d.say("   and that gives the addresses of what it refers to:")
	for _, v := range m.Symbols {
		if v.Has&reloc.UseAddress != 0 {
			d.say("   %-18s %#x", v.Name, v.Address)
		}
	}
	d.update, err = splice.Build("shop-discount", splice.Part{Diff: d.changes, Match: m, Image: img})
	return err
}

func (d *show) apply(ctx context.Context) error {
	r, err := process.Apply(ctx, d.pid, d.update, process.Options{})
	if err != nil {
		return err
	}
	d.say("\n4. Applied: %d threads stood still for %d µs", r.Threads, r.Pause.Microseconds())
	for _, t := range r.Redirects {
		d.say("   %-8s %s", t.Function, t.Trampoline)
	}
	time.Sleep(settle)
	return d.answer(newTotal, "fixed; the count of answers goes on")
}

func (d *show) revert(ctx context.Context) error {
	r, err := process.Revert(ctx, d.pid, "", process.Options{})
	if err != nil {
		return err
	}
	left := "nothing is left of it"
	if r.Kept != "" {
		left = "its memory stays: " + r.Kept
	}
	d.say("\n5. Reverted: %d threads stood still for %d µs; %s", r.Threads, r.Pause.Microseconds(), left)
	time.Sleep(settle)
	return d.answer(oldTotal, "the old answer")
}

// count checks that no request was lost.
func (d *show) count() error {
	s := d.shop
	s.finish()
	sent, answered, wrong := s.sent.Load(), s.answered.Load(), s.wrong.Load()
	d.say("\n%d requests, %d answers: %d lost, %d wrong", sent, answered, sent-answered, wrong)
	if sent != answered || wrong != 0 {
		return errors.New("the server did not keep up its service")
	}
	return nil
}
