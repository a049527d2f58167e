package vmtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
)

// progressFile is the file in the cache's folder that tests write lines about what
// takes long into as well: "go test" shows the standard error of a package once it is
// done, and with -v that of one package only while it runs.
const progressFile = "progress"

// longestProgress is the size from which on the file is begun anew.
const longestProgress = 1 << 20

// Context returns the test's context, by which what takes long is told (see [Watched]).
func Context(t testing.TB) context.Context { return Watched(t.Context()) }

// Watched returns a context by which what takes long in a test writes lines about what
// begins: to the standard error, which "go test -v" shows, and to a file that
//
//	tail -F ~/.cache/gosplice/progress
//
// shows. It returns ctx itself outside of tests, and where somebody watches already.
func Watched(ctx context.Context) context.Context {
	if !testing.Testing() || deb.Watched(ctx) {
		return ctx
	}
	who := strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
	file := ""
	if dir, err := deb.CacheFolder(); err == nil {
		file = filepath.Join(dir, progressFile)
	}
	return deb.WithProgress(ctx, watcher{who, file})
}

// watcher writes lines with the time and who works.
type watcher struct{ who, file string }

func (w watcher) Write(line []byte) (int, error) {
	text := fmt.Sprintf("%s %s: %s", time.Now().Format(time.TimeOnly), w.who, line)
	fmt.Fprint(os.Stderr, text)
	if w.file != "" {
		appendTo(w.file, text)
	}
	return len(line), nil
}

// appendTo adds a line to a file, in one write, as other processes do at the same
// time. That it can't is no reason for a test to fail.
func appendTo(path, line string) {
	how := os.O_APPEND
	if st, err := os.Stat(path); err == nil && st.Size() > longestProgress {
		how = os.O_TRUNC
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|how, 0o644)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(line)
}
