//go:build !unix

package source

import "io/fs"

// fileID says which file a name is of, where that can be told.
type fileID struct{ dev, ino uint64 }

func idOf(fs.FileInfo) (fileID, bool) { return fileID{}, false }
