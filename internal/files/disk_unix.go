//go:build unix

package files

import (
	"io/fs"
	"syscall"
)

// blockSize is the unit of st_blocks (stat(2)).
const blockSize = 512

// A fileID tells files apart that have several names.
type fileID struct{ device, number uint64 }

// onDisk returns how many bytes of the disk a file takes, and which one it is; shared reports
// whether it has other names.
func onDisk(info fs.FileInfo) (n int64, id fileID, shared bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.Size(), fileID{}, false
	}
	return int64(st.Blocks) * blockSize, fileID{uint64(st.Dev), st.Ino}, st.Nlink > 1 && !info.IsDir()
}
