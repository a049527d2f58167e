// Package gdbserial speaks the remote serial protocol of GDB, as far as it takes
// to read the memory of what is debugged: of a virtual machine by the stub in
// QEMU, of a kernel by kgdb.
//
// The protocol is that of the GDB manual, appendix "GDB Remote Serial Protocol".
// The other side is not trusted: packets have a limited size, and every exchange
// a limited time.
package gdbserial

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxPacket bounds the content of a packet, in bytes. QEMU's have 4096.
const MaxPacket = 64 << 10

// ErrProtocol says that the other side does not speak the protocol.
var ErrProtocol = errors.New("not the remote serial protocol of GDB")

const (
	escape    = '}' // the next byte is XORed with 0x20
	runLength = '*' // the previous byte is repeated
)

// appendPacket appends the packet with that content: $content#checksum.
func appendPacket(dst []byte, content string) []byte {
	dst = append(dst, '$')
	sum := byte(0)
	for i := range len(content) {
		switch c := content[i]; c {
		case '$', '#', escape, runLength:
			dst = append(dst, escape, c^0x20)
			sum += escape + (c ^ 0x20)
		default:
			dst = append(dst, c)
			sum += c
		}
	}
	return fmt.Appendf(dst, "#%02x", sum)
}

// errChecksum is a packet that was damaged on its way.
var errChecksum = fmt.Errorf("%w: wrong checksum", ErrProtocol)

// readPacket reads the next packet, and returns its content. What is between
// packets, such as acknowledgements, is skipped; notifications (%) are, too.
func readPacket(r *bufio.Reader) ([]byte, error) {
	for skipped := 0; ; skipped++ {
		c, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		switch {
		case c == '$':
			return readContent(r)
		case c == '%':
			if _, err := readContent(r); err != nil && !errors.Is(err, errChecksum) {
				return nil, err
			}
		case skipped > MaxPacket:
			return nil, fmt.Errorf("%w: %d bytes without a packet", ErrProtocol, skipped)
		}
	}
}

func readContent(r *bufio.Reader) ([]byte, error) {
	var b []byte
	sum := byte(0)
	next := func() (byte, error) {
		c, err := r.ReadByte()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if c != '#' {
			sum += c
		}
		return c, err
	}
	for {
		c, err := next()
		if err != nil {
			return nil, err
		}
		switch c {
		case '#':
			return b, checkSum(r, sum)
		case escape:
			if c, err = next(); err != nil {
				return nil, err
			}
			b = append(b, c^0x20)
		case runLength:
			if c, err = next(); err != nil {
				return nil, err
			}
			// The count is 29 less than the character that stands for it.
			if len(b) == 0 || c < ' ' || c > '~' || c == '#' {
				return nil, fmt.Errorf("%w: run of length %q", ErrProtocol, c)
			}
			for range int(c) - 29 {
				b = append(b, b[len(b)-1])
			}
		default:
			b = append(b, c)
		}
		if len(b) > MaxPacket {
			return nil, fmt.Errorf("%w: a packet of more than %d bytes", ErrProtocol, MaxPacket)
		}
	}
}

func checkSum(r *bufio.Reader, sum byte) error {
	var digits [2]byte
	if _, err := io.ReadFull(r, digits[:]); err != nil {
		return io.ErrUnexpectedEOF
	}
	hi, ok := unhex(digits[0])
	lo, ok2 := unhex(digits[1])
	if !ok || !ok2 || hi<<4|lo != sum {
		return errChecksum
	}
	return nil
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
