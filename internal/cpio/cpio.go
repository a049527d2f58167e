// Package cpio writes the archive format that the Linux kernel unpacks into its
// first root file system: "newc", described in
// Documentation/driver-api/early-userspace/buffer-format.rst.
//
// Goals:
//
//   - Exactly what an initramfs needs: directories, regular files, symbolic
//     links and device nodes, in the order in which they are given.
//   - The same input gives the same bytes: owner 0, modification time 0, inode
//     numbers counted from 1.
//
// It does not read archives, and knows neither hard links nor the checksummed
// variant ("070702").
package cpio

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Type is the kind of an entry: the file type bits of a Unix mode.
type Type uint32

// The types of entries that an initramfs is made of; the values are those of
// S_IFMT in stat(2).
const (
	Dir     Type = 0o040000
	Char    Type = 0o020000
	Regular Type = 0o100000
	Symlink Type = 0o120000
)

// Entry describes one file. Data is handed to [Writer.Add] apart from it.
type Entry struct {
	// Name is the path below the root, without a leading slash. The kernel
	// makes no parents: a folder comes before what is in it.
	Name string
	Type Type
	// Perm holds the permission bits, including set-user-ID and sticky.
	Perm uint32
	// Major and Minor are the device's numbers; only of a [Char] entry.
	Major, Minor uint32
}

// trailer is the name that ends an archive; no file may have it.
const trailer = "TRAILER!!!"

// maxName is the longest name that the kernel takes, with its NUL: PATH_MAX,
// checked in init/initramfs.c do_header; a longer one would be skipped silently.
const maxName = 4096

// Writer writes an archive. Its first error sticks.
type Writer struct {
	w   io.Writer
	off int64 // bytes written
	ino uint32
	err error
}

// NewWriter returns a writer that appends entries to w. It does not buffer.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Add writes one entry. data is a file's content or a link's target; folders
// and devices have none.
func (w *Writer) Add(e Entry, data []byte) error {
	if w.err != nil {
		return w.err
	}
	if err := check(e, data); err != nil {
		return err // nothing was written, so that the archive is still good
	}
	return w.add(e, data)
}

// Close writes the trailer. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	w.ino = 0
	return w.add(Entry{Name: trailer}, nil)
}

func check(e Entry, data []byte) error {
	switch {
	case e.Name == "" || e.Name == trailer || strings.HasPrefix(e.Name, "/") || strings.Contains(e.Name, "\x00"):
		return fmt.Errorf("cpio: bad name %q", e.Name)
	case len(e.Name)+1 > maxName:
		return fmt.Errorf("cpio: name of %d bytes, %.40q..., is longer than %d", len(e.Name), e.Name, maxName-1)
	case e.Perm&^0o7777 != 0:
		return fmt.Errorf("cpio: %s: permission bits %#o include more than permissions", e.Name, e.Perm)
	case int64(len(data)) > math.MaxUint32:
		return fmt.Errorf("cpio: %s: %d bytes do not fit the format's 32 bits", e.Name, len(data))
	}
	switch e.Type {
	case Regular:
	case Symlink:
		if len(data) == 0 || len(data)+1 > maxName {
			return fmt.Errorf("cpio: %s: link target of %d bytes", e.Name, len(data))
		}
	case Dir, Char:
		if len(data) != 0 {
			return fmt.Errorf("cpio: %s: type %#o has no data", e.Name, uint32(e.Type))
		}
	default:
		return fmt.Errorf("cpio: %s: unknown type %#o", e.Name, uint32(e.Type))
	}
	return nil
}

func (w *Writer) add(e Entry, data []byte) error {
	w.ino++
	links := 1
	if e.Type == Dir {
		links = 2
	}
	// ino mode uid gid nlink mtime filesize maj min rmaj rmin namesize check
	w.printf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00",
		w.ino, uint32(e.Type)|e.Perm, 0, 0, links, 0, len(data), 0, 0, e.Major, e.Minor, len(e.Name)+1, 0, e.Name)
	w.align()
	w.write(data)
	w.align()
	return w.err
}

func (w *Writer) printf(format string, args ...any) { w.write(fmt.Appendf(nil, format, args...)) }

// align pads with NUL bytes to a multiple of four, which both the data and the
// next header start at.
func (w *Writer) align() { w.write(make([]byte, -w.off&3)) }

func (w *Writer) write(b []byte) {
	if w.err != nil || len(b) == 0 {
		return
	}
	var n int
	n, w.err = w.w.Write(b)
	w.off += int64(n)
}
