package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running/fixes"
	"github.com/gosplice/gosplice/splice/module/running/verify"
)

// proof is what the commands verify and fixes take beside files.
type proof struct {
	image    string // a kernel's file instead of the memory
	pre      string
	post     string
	target   string
	names    []string
	vex      string
	metrics  string
	document fixes.VEX
}

func fixFlags(f *cli.Flags, s *session) {
	p := &s.proof
	f.StringVar(&p.image, "run", "", "look at a kernel's `FILE` (vmlinux, vmlinuz) instead of the memory")
	f.StringVar(&p.pre, "pre", "", "an `OBJECT` without a fix, for -post, beside the files of updates")
	f.StringVar(&p.post, "post", "", "an `OBJECT` with the fix that -fix names")
	f.StringVar(&p.target, "target", "", "the `MODULE` that these are part of; the kernel itself unless given")
	f.List(&p.names, "fix", "what -post fixes, a `TEXT` such as a CVE number")
	f.StringVar(&p.vex, "vex", "", "write an OpenVEX document to `FILE`; takes -author")
	f.StringVar(&p.document.Author, "author", "", "`WHO` says what is in the OpenVEX document")
	f.StringVar(&p.document.Product, "product", "", "package `URL` of the kernel in it; made of its build-id unless given")
	f.StringVar(&p.metrics, "metrics", "", "write metrics to `FILE` for the textfile collector of node_exporter")
}

// A proved report says what was found out of a kernel's memory.
type proved interface{ Text(w io.Writer) error }

// show prints a report, and returns the exit status by whether all is as it should be.
func (s *session) show(r proved, good bool) (int, error) {
	err := cli.WriteReport(s.stdout, s.asJSON, r)
	if err == nil && !good {
		return exitRefused, nil
	}
	return exitDone, err
}

func verifyUpdates(ctx context.Context, s *session, paths []string) (int, error) {
	list, err := openAll(paths)
	if err != nil {
		return exitError, err
	}
	img, err := image.NewRunningContext(ctx, s.root())
	if err != nil {
		return exitError, err
	}
	defer img.Close()
	r, err := verify.Check(ctx, img, list...)
	if err != nil {
		return exitError, err
	}
	return s.show(r, r.Proven())
}

func listFixes(ctx context.Context, s *session, paths []string) (int, error) {
	sources, err := s.proof.sources(ctx, paths)
	if err != nil {
		return exitError, err
	}
	var img *image.Image
	if s.proof.image != "" {
		img, err = image.OpenKernelContext(ctx, s.proof.image)
	} else {
		img, err = image.NewRunningContext(ctx, s.root())
	}
	if err != nil {
		return exitError, err
	}
	defer img.Close()
	now := time.Now()
	r, err := fixes.Check(ctx, img, sources...)
	if err != nil {
		return exitError, err
	}
	if err := s.proof.write(r, now, paths); err != nil {
		return exitError, err
	}
	return s.show(r, r.Count(fixes.Fixed) == len(r.Fixes))
}

// sources opens what has fixes.
func (p *proof) sources(ctx context.Context, paths []string) (list []*fixes.Source, err error) {
	for _, path := range paths {
		s, err := updateSource(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, s)
	}
	paired := p.pre != "" || p.post != "" || p.target != "" || len(p.names) > 0
	switch {
	case !paired && len(list) == 0:
		return nil, errors.New("neither the file of an update nor a pair of objects (-pre, -post) is given")
	case !paired:
		return list, nil
	case p.pre == "" || p.post == "" || len(p.names) == 0:
		return nil, errors.New("a pair of objects takes -pre, -post and -fix")
	}
	var pair [2]*object.Object
	for i, path := range []string{p.pre, p.post} {
		if pair[i], err = elfdiff.Open(path); err != nil {
			return nil, err
		}
		defer pair[i].Close()
	}
	s, err := fixes.OfPair(ctx, p.post, p.names, pair[0], pair[1], p.target)
	return append(list, s), err
}

func updateSource(path string) (*fixes.Source, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := module.Read(f)
	if err != nil {
		return nil, err
	}
	return fixes.Of(m)
}

// write writes the files that were asked for.
func (p *proof) write(r *fixes.Report, now time.Time, inputs []string) error {
	var text bytes.Buffer
	if p.vex != "" {
		p.document.Time = now
		if err := r.OpenVEX(&text, p.document); err != nil {
			return err
		}
		if err := files.Write(p.vex, &text, inputs...); err != nil {
			return err
		}
	}
	if p.metrics == "" {
		return nil
	}
	text.Reset()
	if err := r.Metrics(&text, now); err != nil {
		return err
	}
	return files.Write(p.metrics, &text, inputs...)
}
