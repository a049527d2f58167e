package wire_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

var messages = []*wire.Message{
	{Op: wire.Hello, Fields: [][]byte{[]byte("6.1.0-50-cloud-amd64")}},
	{ID: 1, Op: wire.Sync},
	{ID: 2, Op: wire.Reply, Fields: [][]byte{{}}},
	{ID: 1<<32 - 1, Op: wire.Run, Fields: [][]byte{{}, {}, []byte("/bin/x"), {0, 255, '\n', '\r', 0x11, 0x13}}},
	{ID: 4, Op: wire.Load, Fields: [][]byte{bytes.Repeat([]byte{0xa5}, 100_000), []byte("a=1")}},
}

func encode(t testing.TB, messages ...*wire.Message) []byte {
	t.Helper()
	var b []byte
	for _, m := range messages {
		var err error
		if b, err = wire.Append(b, m); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	r := iotest.HalfReader(bytes.NewReader(encode(t, messages...)))
	for _, want := range messages {
		got, err := wire.Read(r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("message (-want +got):\n%s", diff)
		}
	}
	if _, err := wire.Read(r); err != io.EOF {
		t.Errorf("at the end: %v, want %v", err, io.EOF)
	}
}

func TestMalformed(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want error
	}{
		"length cut":      {"\x05\x00", io.ErrUnexpectedEOF},
		"nothing follows": {"\x05\x00\x00\x00", io.ErrUnexpectedEOF},
		"no header":       {"\x04\x00\x00\x00\x01\x00\x00\x00", wire.ErrMalformed},
		"huge":            {"\xff\xff\xff\xff", wire.ErrMalformed},
		"large, cut":      {"\x00\x00\x00\x01\x01\x00\x00\x00\x01", io.ErrUnexpectedEOF},
		"stray bytes":     {"\x08\x00\x00\x00\x01\x00\x00\x00\x01abc", wire.ErrMalformed},
		"long field":      {"\x0a\x00\x00\x00\x01\x00\x00\x00\x01\x02\x00\x00\x00x", wire.ErrMalformed},
	} {
		if m, err := wire.Read(bytes.NewReader([]byte(c.in))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, m, err, c.want)
		}
	}
}

func TestTooLarge(t *testing.T) {
	big := make([]byte, wire.MaxSize)
	if err := wire.Write(io.Discard, &wire.Message{Op: wire.Load, Fields: [][]byte{big}}); err == nil {
		t.Error("a message that nobody would read was written")
	}
}

// FuzzRead: what is read and written again is the same bytes, and what is not
// read has an error that tells why.
func FuzzRead(f *testing.F) {
	for _, m := range messages[:4] {
		f.Add(encode(f, m))
	}
	f.Add([]byte("\x0a\x00\x00\x00\x01\x00\x00\x00\x01\x02\x00\x00\x00x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		m, err := wire.Read(r)
		if err != nil {
			if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, wire.ErrMalformed) {
				t.Errorf("unexpected kind of error: %v", err)
			}
			return
		}
		if got, want := encode(t, m), b[:len(b)-r.Len()]; !bytes.Equal(got, want) {
			t.Errorf("read %x, written %x", want, got)
		}
	})
}
