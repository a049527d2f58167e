package program

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/cbuild"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/need"
	"github.com/gosplice/gosplice/internal/progress"
)

// A Source is what programs are built from.
type Source struct {
	Dir   string // its folder, which is never written to
	Build string // the command of the shell that builds it there: "./configure && make"
	// Env are variables of the build's environment, NAME=VALUE.
	Env []string
	// Installed are the programs and libraries that updates are for. Without one, those that the build makes are
	// looked for where it leaves them, in PATH, and in the folders of libraries.
	Installed []string
	// Package is the package of a distribution that the files are from, with its version; "" for
	// none.
	Package string
}

// Options adjusts how updates are made. The zero value of each field will do.
type Options struct {
	Name string // of updates
	// Fixes are what they fix, such as CVE numbers; what patches say where it is empty.
	Fixes []string
	// Accept is that of elfdiff.Options.
	Accept []finding.Acceptance
	// Rebuild has all built again with the patches, whatever they change.
	Rebuild bool
	// Cache is the folder where builds are kept. "" is the one that the environment variable
	// GOSPLICE_CACHE names, or gosplice in the user's folder for such.
	Cache string
	// Jobs is how many compilers run at once; 0 is as many as there are processors. The command that
	// builds says that for itself.
	Jobs int
	// Progress, when set, is told when a stage begins, and whenever a part of it is done.
	// Calls do not overlap.
	Progress func(stage string, done, total int)
	// Log, when set, gets the commands that are run, with their folders, and what the build says.
	Log io.Writer
}

// A Builder makes updates of the programs of one source. It is not for concurrent use.
type Builder struct {
	source  Source
	opt     Options
	tell    progress.Func
	cache   string
	targets []*target
	pre     *cbuild.Build
	took    time.Duration // the build, until a result has told
	made    *made         // see findMade
}

var errNotOpen = errors.New("the source was not opened")

// Open looks at the installed files, as far as they are given, and builds the source, unless that
// was done before. What would make the build be in vain is an error that has
// refusals (finding.Refusals), before it begins.
//
// Close has to be called in the end.
func Open(ctx context.Context, s Source, opt Options) (*Builder, error) {
	b := &Builder{source: s, opt: opt, tell: progress.Func(opt.Progress)}
	if b.opt.Jobs <= 0 {
		b.opt.Jobs = runtime.NumCPU()
	}
	if err := missing(cbuild.Commands...); err != nil {
		return nil, err
	}
	var err error
	if b.cache, err = deb.Folder(opt.Cache); err != nil {
		return nil, err
	}
	for _, path := range s.Installed {
		t, err := openTarget(path)
		if err == nil {
			err = b.addTarget(t)
		}
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	if err := b.foresee(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	began := time.Now()
	if b.pre, err = b.build(ctx, nil, nil); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.took = time.Since(began)
	return b, nil
}

// missing says which commands are not here, and what installs them.
func missing(commands ...string) error {
	lost, from := need.Missing(commands...)
	if len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s (%s)", ErrMissing, strings.Join(lost, ", "), need.Line(from))
}

// addTarget adds an installed file, unless it is a copy of one that is there.
func (b *Builder) addTarget(t *target) error {
	for _, o := range b.targets {
		if t.path == o.path || t.buildID != "" && t.buildID == o.buildID && bytes.Equal(t.code, o.code) {
			o.names = append(o.names, t.names...)
			return t.image.Close()
		}
	}
	b.targets = append(b.targets, t)
	return nil
}

// Close closes the installed files.
func (b *Builder) Close() error {
	var all []error
	for _, t := range b.targets {
		all = append(all, t.image.Close())
	}
	return errors.Join(all...)
}

// Built says which programs and libraries the build makes, by their paths in the source.
func (b *Builder) Built() []string {
	out := []string{}
	if b.pre == nil {
		return out
	}
	for i := range b.pre.Outputs {
		out = append(out, b.pre.Rel(b.pre.Outputs[i].Path))
	}
	return out
}

// Kept reports whether the source was built before.
func (b *Builder) Kept() bool { return b.pre != nil && b.pre.Kept }

// build builds the source, with changes or without.
func (b *Builder) build(ctx context.Context, changes map[string][]byte, modes map[string]os.FileMode) (*cbuild.Build, error) {
	stage := "build"
	if changes != nil {
		stage = "build with the patches"
	}
	c := b.tell.Begin(stage, 1)
	defer c.Done()
	made, err := cbuild.Open(ctx, cbuild.Spec{
		Dir: b.source.Dir, Command: cmp.Or(b.source.Build, "make"), Env: b.source.Env, Changes: changes, Modes: modes, Cache: b.cache, Jobs: b.opt.Jobs, Log: b.opt.Log,
	})
	var failed *cbuild.BuildError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("%w: %w%s", ErrBuild, err, forTests(ctx, b.source.Dir))
	}
	return made, err
}
