package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/splice/module/lint"
)

// against is what lint holds files against.
type against struct {
	kernel  string   // file of a kernel
	run     string   // kcore for the one that runs
	modules []string // files of its modules
}

func lintFlags(f *cli.Flags, s *session) {
	f.StringVar(&s.against.kernel, "kernel", "", "hold it against a kernel's `FILE`: vmlinux, or vmlinuz")
	f.StringVar(&s.against.run, "run", "", "kcore: hold it against the kernel that runs here, by its memory, symbols and BTF alone; `WHAT`")
	f.List(&s.against.modules, "module", "with -kernel: the `FILE.ko` of a module that it patches or uses")
}

// lintFiles looks at files, and says by its status how bad the worst of it is.
func lintFiles(ctx context.Context, s *session, paths []string) (int, error) {
	k, err := s.against.open(ctx, s.root())
	if err != nil {
		return exitError, err
	}
	if k != nil {
		defer k.Close()
	}
	status := exitDone
	var reports []*lint.Report
	for _, path := range paths {
		b, err := readFile(path)
		if err != nil {
			return exitError, err
		}
		r, err := lint.Check(ctx, b, k)
		if err != nil {
			return exitError, err
		}
		if reports = append(reports, r); badness[r.Worst()] == exitRefused || status == exitDone {
			status = badness[r.Worst()]
		}
	}
	if s.asJSON {
		return status, cli.WriteJSON(s.stdout, reports)
	}
	for i, r := range reports {
		fmt.Fprintf(s.stdout, "%s: ", paths[i])
		if err := r.Text(s.stdout); err != nil {
			return exitError, err
		}
	}
	return status, nil
}

// badness has the exit status for each level.
var badness = map[lint.Level]int{"": exitDone, lint.Unchecked: exitDone, lint.Doubtful: exitStuck, lint.Wrong: exitRefused}

// open opens what files are held against; nil where nothing is given.
func (a *against) open(ctx context.Context, root fs.FS) (k *lint.Kernel, err error) {
	switch {
	case a.kernel != "" && a.run != "":
		return nil, errors.New("one kernel is enough: -kernel or -run")
	case a.run != "" && a.run != "kcore":
		return nil, fmt.Errorf("-run %s: the kernel that runs is kcore; a file is for -kernel", a.run)
	case a.run != "":
		k, err = lint.NewRunning(ctx, root)
	case a.kernel != "":
		k, err = lint.OpenKernel(ctx, a.kernel)
	case len(a.modules) > 0:
		return nil, errors.New("-module takes -kernel or -run")
	}
	for _, path := range a.modules {
		if err == nil {
			err = k.AddModule(path)
		}
	}
	if err != nil && k != nil {
		k.Close()
		return nil, err
	}
	return k, err
}

// maxModule is more than any module has, bytes.
const maxModule = 256 << 20

func readFile(path string) ([]byte, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxModule+1))
}
