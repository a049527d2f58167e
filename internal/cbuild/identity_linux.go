package cbuild

import (
	"fmt"
	"io/fs"
	"syscall"
)

// identity is what a file is known by, also when it is moved: its inode, its size in bytes, and
// when it was written, in seconds.
func identity(st fs.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %d %d", sys.Ino, sys.Size, sys.Mtim.Sec)
}
