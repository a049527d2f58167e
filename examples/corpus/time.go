package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/lab/corpus"
)

// runs is how often each pair is compared; the best time counts, as the others
// are about what else the machine did.
const runs = 7

// timeAll prints what it takes to compare all pairs of each stage with pre, from
// opening the files to the written object.
func timeAll(ctx context.Context, c *corpus.Corpus, finish func(context.Context, string) error, opt *options) error {
	pre, err := c.Build(ctx, corpus.Pre, finish)
	if err != nil {
		return err
	}
	for _, s := range opt.stages {
		post, err := c.Build(ctx, s, finish)
		if err != nil {
			return err
		}
		pairs := slices.Collect(c.Pairs(pre, post))
		if len(pairs) == 0 {
			return fmt.Errorf("stage %s: no pairs", s.Name)
		}
		fmt.Fprintf(opt.out, "%s:\n", s.Name)
		if err := timePairs(ctx, pairs, opt); err != nil {
			return err
		}
	}
	return nil
}

func timePairs(ctx context.Context, pairs []corpus.Pair, opt *options) error {
	size, hash, err := hashAll(pairs)
	if err != nil {
		return err
	}
	fmt.Fprintf(opt.out, "  %d pairs, %d KB an object; SHA-256 of them takes %v\n", len(pairs), size/2/len(pairs)>>10, hash.Round(time.Millisecond))
	dir, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := timeWith(ctx, pairs, dir, opt, elfdiff.Options{Tables: true, Accept: opt.accept, InPlace: opt.inPlace}); err != nil {
		return err
	}
	fmt.Fprintln(opt.out, "  with the types that changed code uses, by debug information:")
	return timeWith(ctx, pairs, dir, opt, elfdiff.Options{Tables: true, Accept: opt.accept, InPlace: opt.inPlace, Types: true})
}

func timeWith(ctx context.Context, pairs []corpus.Pair, dir string, opt *options, with elfdiff.Options) error {
	best, err := timeEach(pairs, dir, opt, with)
	if err != nil {
		return err
	}
	var sum time.Duration
	for _, t := range best {
		sum += t
	}
	slices.Sort(best)
	at := func(part int) time.Duration { return best[(len(best)-1)*part/100].Round(time.Microsecond) }
	fmt.Fprintf(opt.out, "  a pair on one processor: median %v, mean %v, nine of ten below %v, worst %v\n",
		at(50), (sum / time.Duration(len(best))).Round(time.Microsecond), at(90), at(100))
	all, err := timeTogether(ctx, pairs, dir, opt, with)
	if err != nil {
		return err
	}
	fmt.Fprintf(opt.out, "  all pairs in one process on %d processors: %v\n", runtime.GOMAXPROCS(0), all.Round(time.Millisecond))
	return nil
}

// hashAll reads all objects, so that they are in memory from then on.
func hashAll(pairs []corpus.Pair) (size int, took time.Duration, err error) {
	start := time.Now()
	for _, p := range pairs {
		for _, name := range []string{p.Pre, p.Post} {
			b, err := os.ReadFile(name)
			if err != nil {
				return 0, 0, err
			}
			sha256.Sum256(b)
			size += len(b)
		}
	}
	return size, time.Since(start), nil
}

// timeEach returns the best time of each pair on one processor.
func timeEach(pairs []corpus.Pair, dir string, opt *options, with elfdiff.Options) ([]time.Duration, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	best := make([]time.Duration, len(pairs))
	out := filepath.Join(dir, "0.o")
	for range runs {
		for i, p := range pairs {
			start := time.Now()
			if err := carry(p, out, opt.reverse, with); err != nil {
				return nil, fmt.Errorf("%s: %w", p.Source, err)
			}
			if t := time.Since(start); best[i] == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	return best, nil
}

// timeTogether returns the best time of all pairs on all processors.
func timeTogether(ctx context.Context, pairs []corpus.Pair, dir string, opt *options, with elfdiff.Options) (best time.Duration, err error) {
	for range runs {
		start := time.Now()
		g, ctx := errgroup.WithContext(ctx)
		var next atomic.Int64
		for k := range runtime.GOMAXPROCS(0) {
			out := filepath.Join(dir, fmt.Sprint(k, ".o"))
			g.Go(func() error {
				for {
					i := int(next.Add(1)) - 1
					if i >= len(pairs) || ctx.Err() != nil {
						return ctx.Err()
					}
					if err := carry(pairs[i], out, opt.reverse, with); err != nil {
						return fmt.Errorf("%s: %w", pairs[i].Source, err)
					}
				}
			})
		}
		if err := g.Wait(); err != nil {
			return 0, err
		}
		if t := time.Since(start); best == 0 || t < best {
			best = t
		}
	}
	return best, nil
}

// carry compares a pair, and writes what differs to a file where it can be
// carried.
func carry(p corpus.Pair, out string, reverse bool, with elfdiff.Options) error {
	pre, err := elfdiff.Open(p.Pre)
	if err != nil {
		return err
	}
	defer pre.Close()
	post, err := elfdiff.Open(p.Post)
	if err != nil {
		return err
	}
	defer post.Close()
	if reverse {
		pre, post = post, pre
	}
	d, err := elfdiff.Compare(pre, post, with)
	if err != nil {
		return err
	}
	x, err := elfdiff.Extract(d)
	if errors.Is(err, elfdiff.ErrRefused) {
		return nil
	}
	if err != nil {
		return err
	}
	return files.Write(out, x)
}
