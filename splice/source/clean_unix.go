//go:build unix

package source

import (
	"io/fs"
	"syscall"
)

// fileID says which file a name is of.
type fileID struct{ dev, ino uint64 }

func idOf(i fs.FileInfo) (fileID, bool) {
	st, ok := i.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, false
	}
	return fileID{uint64(st.Dev), uint64(st.Ino)}, true
}
