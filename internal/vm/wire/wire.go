// Package wire is the protocol between a program on the host and the init process
// of the guest: numbered messages over one reliable byte stream.
//
// A message is a little-endian u32 with the length of what follows, a u32 id, a
// byte that tells the operation, and fields, each a u32 length and as many bytes.
// Any byte may occur in a field. The host numbers its requests from 1; the guest
// answers each once with the request's id, in any order, and sends messages of its
// own accord with id 0.
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// PortName is the name of the virtio serial port that carries the messages.
const PortName = "gosplice"

// Op tells what a message asks for or says.
type Op uint8

// What the guest sends, and the fields. Numbers are decimal.
const (
	Hello Op = iota + 1 // id 0, once, first: kernel release
	Log                 // id 0: one record of /dev/kmsg
	Lost                // id 0: kernel log records were overwritten before they could be read
	Reply               // fields as the request's comment says
	Fail                // errno (0 when there is none), message
)

// What the host asks for, the fields, and the fields of the reply.
const (
	Load      Op = iota + 64 // module, parameters, flags of finit_module(2) → none
	Unload                   // name, flags of delete_module(2) → none
	ReadFile                 // path → content
	WriteFile                // path, content, permissions ("" to write only to an existing file) → none
	ReadDir                  // path → the sorted names
	Run                      // standard input, folder, environment (NAME=VALUE, zero bytes between), program, arguments... → exit status, stdout, stderr
	Cancel                   // (with the id of a request) → none, not even a reply
	Sync                     // → value of /proc/sys/kernel/tainted, after every log record up to now
	PowerOff                 // → none; the machine goes off
	ReadAt                   // path, offset, length → content, shorter at the end of the file; size of the file
	Hold                     // → number of a set: files, sockets and more of many kinds, which stay open
	Touch                    // number of a set → what came of using each, one line for each
	Release                  // number of a set → none; closes it
)

// Message is one message.
type Message struct {
	ID     uint32
	Op     Op
	Fields [][]byte
}

// MaxSize bounds a message. It is generous: the largest thing that travels is a
// kernel module with debug information.
const MaxSize = 256 << 20

// ErrMalformed is what every error of [Read] is that is not the reader's own.
var ErrMalformed = errors.New("malformed message")

const headerSize = 4 + 1 // what every message has after its length

// Append appends the message's encoding to b.
func Append(b []byte, m *Message) ([]byte, error) {
	size := headerSize
	for _, f := range m.Fields {
		size += 4 + len(f)
	}
	if size > MaxSize {
		return b, fmt.Errorf("message of %d bytes is larger than %d", size, MaxSize)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	b = binary.LittleEndian.AppendUint32(b, m.ID)
	b = append(b, byte(m.Op))
	for _, f := range m.Fields {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b, nil
}

// Write writes the message in one call of w.Write.
func Write(w io.Writer, m *Message) error {
	b, err := Append(nil, m)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// Read reads one message. The fields share one piece of memory, which nobody
// else uses. The end of the stream between messages is [io.EOF], within one
// [io.ErrUnexpectedEOF].
func Read(r io.Reader) (*Message, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size < headerSize || size > MaxSize {
		return nil, fmt.Errorf("%w: length %#x", ErrMalformed, size)
	}
	var body bytes.Buffer // grows with what arrives, not with what was announced
	if n, err := io.Copy(&body, io.LimitReader(r, int64(size))); err != nil {
		return nil, err
	} else if n < int64(size) {
		return nil, io.ErrUnexpectedEOF
	}
	return parse(body.Bytes())
}

func parse(b []byte) (*Message, error) {
	m := &Message{ID: binary.LittleEndian.Uint32(b), Op: Op(b[4])}
	for rest := b[headerSize:]; len(rest) > 0; {
		if len(rest) < 4 {
			return nil, fmt.Errorf("%w: %d bytes after the last field", ErrMalformed, len(rest))
		}
		n := binary.LittleEndian.Uint32(rest)
		rest = rest[4:]
		if uint64(n) > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: field %d of %#x bytes, %#x are left", ErrMalformed, len(m.Fields), n, len(rest))
		}
		m.Fields = append(m.Fields, rest[:n:n])
		rest = rest[n:]
	}
	return m, nil
}

// Field returns the i-th field, or nil when there are not so many.
func (m *Message) Field(i int) []byte {
	if i >= len(m.Fields) {
		return nil
	}
	return m.Fields[i]
}
