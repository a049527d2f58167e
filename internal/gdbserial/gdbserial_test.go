package gdbserial

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPackets(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"$OK#9a", "OK"},
		{"+$OK#9a", "OK"},
		{"$#00", ""},
		{"%Stop:T05#3d$OK#9a", "OK"},
		{"$0* #7a", "0000"},                              // run of three more
		{"$a}\x03b#" + sum("a}\x03b"), "a\x23b"},         // escaped #
		{"$}\x04}\x03#" + sum("}\x04}\x03"), "\x24\x23"}, // escaped $#
	} {
		got, err := readPacket(bufio.NewReader(strings.NewReader(tt.in)))
		if err != nil || string(got) != tt.want {
			t.Errorf("%q: %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		in   string
		want error
	}{
		{"", io.EOF}, {"$OK", io.ErrUnexpectedEOF}, {"$OK#9", io.ErrUnexpectedEOF}, {"$OK#9b", errChecksum}, {"$OK#xy", errChecksum},
		{"$* #00", ErrProtocol}, {"$0*\x01#00", ErrProtocol}, {"$a}", io.ErrUnexpectedEOF},
		{strings.Repeat("x", 3*MaxPacket), ErrProtocol},
		{"$" + strings.Repeat("0*~", MaxPacket), ErrProtocol},
	} {
		if got, err := readPacket(bufio.NewReader(strings.NewReader(tt.in))); !errors.Is(err, tt.want) {
			t.Errorf("%.20q: %.20q, %v, want %v", tt.in, got, err, tt.want)
		}
	}
}

func sum(s string) string {
	n := byte(0)
	for _, c := range []byte(s) {
		n += c
	}
	return fmt.Sprintf("%02x", n)
}

// stub is the other side: it answers requests by their beginning.
type stub struct {
	answers map[string]func(request string) string
	damage  bool // the first answer arrives damaged
	stopped bool // it says so before it is asked anything
	seen    []string
}

func (s *stub) serve(conn net.Conn) {
	if s.stopped {
		conn.Write(appendPacket(nil, "T02thread:01;"))
	}
	in := bufio.NewReader(conn)
	for {
		c, err := in.ReadByte()
		if err != nil {
			return
		}
		if c == 3 {
			conn.Write(appendPacket(nil, "T02thread:01;"))
		}
		if c != '$' {
			continue
		}
		b, err := readContent(in)
		if err != nil {
			return
		}
		s.seen = append(s.seen, string(b))
		answer := ""
		for prefix, f := range s.answers {
			if strings.HasPrefix(string(b), prefix) {
				answer = f(string(b))
			}
		}
		if answer == "silence" {
			continue
		}
		out := appendPacket([]byte("+"), answer)
		if s.damage {
			s.damage = false
			bad := slices.Clone(out)
			bad[len(bad)-1] ^= 1
			conn.Write(bad)
			if _, err := in.ReadBytes('-'); err != nil {
				return
			}
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

var memory = []byte("0123456789abcdefghijklmnopqrstuvwxyz")

func newStub() *stub {
	return &stub{answers: map[string]func(string) string{
		"qSupported":      func(string) string { return "PacketSize=40;QStartNoAckMode+" },
		"QStartNoAckMode": func(string) string { return "OK" },
		"Hg":              func(string) string { return "OK" },
		"qfThreadInfo":    func(string) string { return "m01,02" },
		"qsThreadInfo":    func(string) string { return "l" },
		"c":               func(string) string { return "silence" },
		"D":               func(string) string { return "OK" },
		"m": func(r string) string {
			var addr, n uint64
			if _, err := fmt.Sscanf(r, "m%x,%x", &addr, &n); err != nil || addr < 0x1000 || addr+n > 0x1000+uint64(len(memory)) {
				return "E14"
			}
			return fmt.Sprintf("%x", memory[addr-0x1000:][:n])
		},
	}}
}

// listen serves the stub once at a unix socket, and returns its path.
func listen(t *testing.T, s *stub) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gdb")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		if conn, err := l.Accept(); err == nil {
			s.serve(conn)
			conn.Close()
		}
	}()
	return path
}

func connect(t *testing.T, s *stub) (*Client, error) {
	t.Helper()
	return Dial(t.Context(), "unix:"+listen(t, s))
}

func TestReadMemory(t *testing.T) {
	for _, damage := range []bool{false, true} {
		s := newStub()
		s.damage, s.stopped = damage, damage
		c, err := connect(t, s)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 30)
		if n, err := c.ReadMemory(p, 0x1003); err != nil || n != 30 || !bytes.Equal(p, memory[3:33]) {
			t.Errorf("%d, %v: %q", n, err, p)
		}
		var e *Error
		if _, err := c.ReadMemory(p, 0x10); !errors.As(err, &e) || e.Reply != "E14" {
			t.Errorf("unmapped: %v", err)
		}
		if list, err := c.Threads(); err != nil || !slices.Equal(list, []string{"01", "02"}) {
			t.Errorf("threads %q, %v", list, err)
		}
		if err := c.Select("02"); err != nil {
			t.Error(err)
		}
		if err := c.Resume(time.Millisecond); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if last := s.seen[len(s.seen)-1]; last != "D" {
			t.Errorf("the last request is %q", last)
		}
		if _, err := c.ReadMemory(p, 0x1000); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
}

// TestHostile: a stub can't make the client wait, allocate or panic.
func TestHostile(t *testing.T) {
	for _, tt := range []struct {
		name, request, answer string
		want                  error
	}{
		{"too much", "m", strings.Repeat("00", 1000), ErrProtocol},
		{"odd", "m", "012", ErrProtocol},
		{"no digits", "m", "zzzz", ErrProtocol},
		{"nothing known", "m", "", nil},
		{"endless threads", "q", "m1,2,3", ErrProtocol},
	} {
		s := newStub()
		c, err := connect(t, s)
		if err != nil {
			t.Fatal(err)
		}
		s.answers = map[string]func(string) string{tt.request: func(string) string { return tt.answer }}
		if tt.request == "q" {
			_, err = c.Threads()
		} else {
			_, err = c.ReadMemory(make([]byte, 8), 0x1000)
		}
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, size := range []string{"PacketSize=0", "PacketSize=zz", "PacketSize=ffffffffffffffff"} {
		s := newStub()
		s.answers["qSupported"] = func(string) string { return size }
		if _, err := connect(t, s); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", size, err)
		}
	}
}

func TestContext(t *testing.T) {
	s := newStub()
	s.answers["m"] = func(string) string { return "silence" }
	ours, theirs := net.Pipe()
	go s.serve(theirs)
	defer theirs.Close()
	enough := errors.New("seen enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c, err := NewClient(ctx, ours)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() { cancel(enough) })
	if _, err := c.ReadMemory(make([]byte, 1), 0x1000); !errors.Is(err, enough) {
		t.Errorf("%v, want %v", err, enough)
	}
	if _, err := c.ReadMemory(make([]byte, 1), 0x1000); !errors.Is(err, enough) {
		t.Errorf("again: %v, want %v", err, enough)
	}
	c.Close()
}

func TestDial(t *testing.T) {
	path := listen(t, newStub())
	c, err := Dial(t.Context(), "unix:"+path+",server=on,wait=off")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := Dial(t.Context(), "unix:"+path+"x"); err == nil {
		t.Error("connected to nothing")
	}
}

// FuzzPacket: reading any bytes ends, and what is written is read again.
func FuzzPacket(f *testing.F) {
	f.Add([]byte("+$m0,4#fd"))
	f.Add([]byte("$0* #7a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readPacket(bufio.NewReader(bytes.NewReader(b)))
		if err == nil && len(got) > MaxPacket+200 {
			t.Errorf("%d bytes", len(got))
		}
		again, err := readPacket(bufio.NewReader(bytes.NewReader(appendPacket(nil, string(b)))))
		if len(b) <= MaxPacket && (err != nil || !bytes.Equal(again, b)) {
			t.Errorf("%q became %q, %v", b, again, err)
		}
	})
}
