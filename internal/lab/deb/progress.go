package deb

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// progressFile is the file in the cache's folder that tests write lines about what
// takes long into as well: "go test" shows the standard error of a package once it is
// done, and with -v that of one package only while it runs.
const progressFile = "progress"

// longestProgress is the size from which on the file is begun anew.
const longestProgress = 1 << 20

type progressKey struct{}

// WithProgress returns a context by which what takes long (to fetch a package, to
// compile an object, to boot a kernel) writes lines to w about what begins.
func WithProgress(ctx context.Context, w io.Writer) context.Context {
	return context.WithValue(ctx, progressKey{}, w)
}

// Progress writes a line to who watches. In tests, that are the standard error, which
// "go test -v" shows, and a file that
//
//	tail -F ~/.cache/gosplice/progress
//
// shows; elsewhere nobody, unless [WithProgress] names him.
func Progress(ctx context.Context, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if w, ok := ctx.Value(progressKey{}).(io.Writer); ok {
		fmt.Fprintln(w, line)
		return
	}
	if !testing.Testing() {
		return
	}
	who := strings.TrimSuffix(filepath.Base(os.Args[0]), ".test")
	line = fmt.Sprintf("%s %s: %s\n", time.Now().Format(time.TimeOnly), who, line)
	fmt.Fprint(os.Stderr, line)
	if dir, err := cacheFolder(); err == nil {
		appendTo(filepath.Join(dir, progressFile), line)
	}
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
