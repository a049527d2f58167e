package fakekernel

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// Memory is what is served: an image, for one.
type Memory interface {
	ReadAddr(p []byte, addr uint64) error
}

// ServeGDB serves memory to debuggers like QEMU does, as far as reading goes,
// and returns the address. The guest's two processors run programs without the
// kernel's memory until they have been let run that many times; then the second is
// in the kernel.
func ServeGDB(t testing.TB, mem Memory, user int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gdb")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				(&gdbServer{conn: conn, mem: mem, user: user}).serve()
			}()
		}
	}()
	return "unix:" + path
}

// gdbServer is a connection with a debugger.
type gdbServer struct {
	conn   net.Conn
	mem    Memory
	user   int // how often it has to run
	thread string
}

func (g *gdbServer) reply(s string) {
	sum := byte(0)
	for _, c := range []byte(s) {
		sum += c
	}
	fmt.Fprintf(g.conn, "$%s#%02x", s, sum)
}

func (g *gdbServer) serve() {
	in := bufio.NewReader(g.conn)
	g.reply("T02thread:01;") // unasked, as QEMU does
	for {
		c, err := in.ReadByte()
		switch {
		case err != nil:
			return
		case c == 3:
			g.user--
			g.reply("T02thread:01;")
		case c == '$':
			request, err := in.ReadString('#')
			if err != nil {
				return
			}
			g.answer(strings.TrimSuffix(request, "#"))
		}
	}
}

func (g *gdbServer) answer(request string) {
	switch {
	case request == "c":
	case strings.HasPrefix(request, "qSupported"):
		g.reply("PacketSize=1000;QStartNoAckMode+")
	case strings.HasPrefix(request, "Hg"):
		g.thread = request[2:]
		g.reply("OK")
	case request == "QStartNoAckMode", request == "D":
		g.reply("OK")
	case request == "qfThreadInfo":
		g.reply("m01,02")
	case request == "qsThreadInfo":
		g.reply("l")
	case strings.HasPrefix(request, "m"):
		var addr, n uint64
		if _, err := fmt.Sscanf(request, "m%x,%x", &addr, &n); err != nil || n > 0x1000 {
			g.reply("E22")
			return
		}
		p := make([]byte, n)
		if g.user > 0 || g.thread != "02" || g.mem.ReadAddr(p, addr) != nil {
			g.reply("E14")
			return
		}
		g.reply(fmt.Sprintf("%x", p))
	default:
		g.reply("")
	}
}
