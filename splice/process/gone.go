//go:build linux && amd64

package process

import (
	"bytes"
	"fmt"

	"github.com/gosplice/gosplice/internal/procfs"
)

// checkWrites looks at what is mapped where the redirections of a record stand. A library may have been
// unmapped since (dlclose), and something else, or nothing, may be in its place: nothing is written there
// then, and the old code is as good as back. Records whose redirections overlap are none of ours.
func (r *record) checkWrites(maps []procfs.Mapping) error {
	for i := range r.Redirects {
		r.Redirects[i].gone = false
	}
	var last uint64
	for _, w := range r.writes() {
		if w.at < last {
			return fmt.Errorf("redirect %s: another one is at %#x", w.function, w.at)
		}
		last = w.at + uint64(len(w.orig))
		m := procfs.FindMapping(maps, w.at)
		if m == nil || !m.IsFile() || m.Perm&(procfs.Exec|procfs.Shared) != procfs.Exec || last > m.End {
			w.of.gone = true
		}
	}
	return nil
}

// standsGone says for a redirection whose code is gone whether it may come back: who makes code writable for
// a while, or moves it out of files, has our jump in it.
func (d *recordRedirect) standsGone(mem readerAt) State {
	b, err := readBytes(mem, d.At, len(d.Orig))
	if err == nil && (bytes.Equal(b, d.Direct) || bytes.Equal(b, d.Staged)) {
		return Foreign
	}
	return Kept
}
