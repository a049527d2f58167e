package deb

import (
	"context"
	"fmt"
	"io"
)

type progressKey struct{}

// WithProgress returns a context by which what takes long (to fetch a package, to
// compile an object, to boot a kernel) writes lines to w about what begins, one a call.
func WithProgress(ctx context.Context, w io.Writer) context.Context {
	return context.WithValue(ctx, progressKey{}, w)
}

// Watched reports whether [WithProgress] has named a writer.
func Watched(ctx context.Context) bool { return ctx.Value(progressKey{}) != nil }

// Progress writes a line to who watches: whom [WithProgress] names.
func Progress(ctx context.Context, format string, args ...any) {
	if w, ok := ctx.Value(progressKey{}).(io.Writer); ok {
		_, _ = fmt.Fprintf(w, format+"\n", args...) // that it can't is no reason to fail
	}
}
