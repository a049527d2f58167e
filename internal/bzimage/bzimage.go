// Package bzimage reads a bzImage, the file of a kernel for x86 that boot loaders
// load (vmlinuz): the setup header, and the vmlinux that is packed in it.
//
// The format is that of Documentation/arch/x86/boot.rst of Linux 6.12, called
// Documentation/x86/boot.rst in 6.1.
package bzimage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/gosplice/gosplice/internal/decompress"
)

// ErrNotBzImage says that a file is not a kernel's.
var ErrNotBzImage = errors.New("no bzImage")

// An Error says what is wrong with an image, and where.
type Error struct {
	Offset uint64 // in the file
	Msg    string
	Err    error
}

// Error returns the error on one line.
func (e *Error) Error() string {
	s := fmt.Sprintf("bzImage: offset %#x: %s", e.Offset, e.Msg)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Header is what the setup header says that matters after booting.
type Header struct {
	Protocol      uint16 // version of the boot protocol: 0x020f is 2.15
	KernelVersion string // release and build, as in /proc/version behind "Linux version"; may be empty
	PrefAddress   uint64 // physical address that the kernel would like to run at
	InitSize      uint32 // bytes of memory that it needs to start, the unpacked image included
	Payload       uint64 // offset in the file of what is packed, bytes
	PayloadSize   uint32 // bytes, the trailing u32 included
	Size          uint32 // of the payload when unpacked, bytes: that trailing u32
	Format        decompress.Format
}

// Offsets of fields of the setup header, from the start of the file.
const (
	offSetupSects    = 0x1f1 // u8: sectors of real mode code behind the first, 0 means 4
	offBootFlag      = 0x1fe // u16: 0xaa55
	offMagic         = 0x202 // "HdrS"
	offProtocol      = 0x206 // u16
	offKernelVersion = 0x20e // u16: of a string, less 0x200
	offPayloadOffset = 0x248 // u32: from the start of the protected mode code
	offPayloadLength = 0x24c // u32
	offPrefAddress   = 0x258 // u64
	offInitSize      = 0x260 // u32
	headerEnd        = 0x264
	sector           = 512
	payloadProtocol  = 0x0208 // since when there are offset and length of the payload
	initSizeProtocol = 0x020a // since when there are pref_address and init_size
)

// Is reports whether a file that begins with head is a bzImage. It looks at the
// first 518 bytes.
func Is(head []byte) bool {
	return len(head) >= offMagic+4 && binary.LittleEndian.Uint16(head[offBootFlag:]) == 0xaa55 && string(head[offMagic:offMagic+4]) == "HdrS"
}

// ReadHeader reads the header of an image of size bytes. What is not one is an
// error that is [ErrNotBzImage].
func ReadHeader(r io.ReaderAt, size int64) (*Header, error) {
	var b [headerEnd]byte
	if n, err := r.ReadAt(b[:], 0); n < len(b) && err != nil && err != io.EOF {
		return nil, err
	}
	if !Is(b[:]) {
		return nil, ErrNotBzImage
	}
	le := binary.LittleEndian
	h := &Header{Protocol: le.Uint16(b[offProtocol:])}
	if h.Protocol < payloadProtocol {
		return nil, &Error{offProtocol, fmt.Sprintf("protocol %d.%d does not tell where the kernel is", h.Protocol>>8, h.Protocol&0xff), errors.ErrUnsupported}
	}
	if h.Protocol >= initSizeProtocol {
		h.PrefAddress, h.InitSize = le.Uint64(b[offPrefAddress:]), le.Uint32(b[offInitSize:])
	}
	sects := uint64(b[offSetupSects])
	if sects == 0 {
		sects = 4
	}
	h.Payload = (sects+1)*sector + uint64(le.Uint32(b[offPayloadOffset:]))
	h.PayloadSize = le.Uint32(b[offPayloadLength:])
	if end := h.Payload + uint64(h.PayloadSize); size < 0 || end > uint64(size) || h.PayloadSize < 16 {
		return nil, &Error{offPayloadLength, fmt.Sprintf("%#x bytes at %#x in a file of %#x bytes", h.PayloadSize, h.Payload, size), io.ErrUnexpectedEOF}
	}
	h.KernelVersion = readString(r, le.Uint16(b[offKernelVersion:]))
	return h, h.readPayload(r)
}

// readString reads a string of the setup code, "" when there is none.
func readString(r io.ReaderAt, at uint16) string {
	if at == 0 {
		return ""
	}
	var b [256]byte
	n, _ := r.ReadAt(b[:], int64(at)+0x200)
	s, _, ok := bytes.Cut(b[:n], []byte{0})
	if !ok {
		return ""
	}
	return string(s)
}

// readPayload reads both ends of the payload. Behind what is packed comes its
// unpacked size; gzip has it there of its own accord.
func (h *Header) readPayload(r io.ReaderAt) error {
	var head [16]byte
	var tail [4]byte
	end := h.Payload + uint64(h.PayloadSize)
	for _, p := range []struct {
		b   []byte
		off uint64
	}{{head[:], h.Payload}, {tail[:], end - 4}} {
		if n, err := r.ReadAt(p.b, int64(p.off)); n < len(p.b) {
			return &Error{p.off, "read the payload", err}
		}
	}
	var ok bool
	if h.Format, ok = decompress.Detect(head[:]); !ok {
		return &Error{h.Payload, fmt.Sprintf("packed in an unknown way: begins with % x", head[:6]), errors.ErrUnsupported}
	}
	h.Size = binary.LittleEndian.Uint32(tail[:])
	return nil
}

// maxSize bounds the unpacked kernel; those of distributions have 50 to 100 MB,
// and all of the kernel's mapping has 1 GiB (KERNEL_IMAGE_SIZE of
// arch/x86/include/asm/page_64_types.h).
const maxSize = 1 << 30

// Unpack returns the vmlinux, which is ELF without symbols and without
// relocations, and behind it the list of places to relocate that arch/x86/tools/relocs
// made.
//
// It takes the memory of the payload and of what comes out of it.
func (h *Header) Unpack(r io.ReaderAt) ([]byte, error) {
	if h.Size == 0 || h.Size > maxSize {
		return nil, &Error{h.Payload + uint64(h.PayloadSize) - 4, fmt.Sprintf("unpacked size of %#x bytes", h.Size), errors.ErrUnsupported}
	}
	n := uint64(h.PayloadSize)
	if h.Format.Name != "gzip" {
		n -= 4
	}
	// It grows with what there is: the size is that of the file at best.
	var packed bytes.Buffer
	if got, err := io.Copy(&packed, io.NewSectionReader(r, int64(h.Payload), int64(n))); err != nil || uint64(got) < n {
		return nil, &Error{h.Payload, fmt.Sprintf("%#x bytes of %#x could be read", got, n), err}
	}
	b, err := h.Format.Bytes(packed.Bytes(), uint64(h.Size), decompress.Most(n, uint64(h.Size)))
	if err != nil {
		return nil, &Error{h.Payload, "unpack", err}
	}
	if uint64(len(b)) != uint64(h.Size) {
		return nil, &Error{h.Payload, fmt.Sprintf("unpacked to %#x bytes, not %#x", len(b), h.Size), io.ErrUnexpectedEOF}
	}
	return b, nil
}
