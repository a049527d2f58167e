package reloc

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// serveMemory serves an image to debuggers like QEMU does, as far as reading goes,
// and returns the address.
func serveMemory(t testing.TB, img *Image) string {
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
				serveGDB(conn, img)
			}()
		}
	}()
	return "unix:" + path
}

func serveGDB(conn net.Conn, img *Image) {
	in := bufio.NewReader(conn)
	reply := func(s string) {
		sum := byte(0)
		for _, c := range []byte(s) {
			sum += c
		}
		fmt.Fprintf(conn, "+$%s#%02x", s, sum)
	}
	for {
		if _, err := in.ReadString('$'); err != nil {
			return
		}
		request, err := in.ReadString('#')
		if err != nil {
			return
		}
		switch request = strings.TrimSuffix(request, "#"); {
		case strings.HasPrefix(request, "qSupported"):
			reply("PacketSize=1000;QStartNoAckMode+")
		case request == "QStartNoAckMode", strings.HasPrefix(request, "Hg"), request == "D":
			reply("OK")
		case request == "qfThreadInfo":
			reply("m01")
		case request == "qsThreadInfo":
			reply("l")
		case strings.HasPrefix(request, "m"):
			var addr, n uint64
			if _, err := fmt.Sscanf(request, "m%x,%x", &addr, &n); err != nil || n > 0x1000 {
				reply("E22")
				continue
			}
			p := make([]byte, n)
			if img.ReadAddr(p, addr) != nil {
				reply("E14")
				continue
			}
			reply(fmt.Sprintf("%x", p))
		default:
			reply("")
		}
	}
}

// TestOpenGDB opens memory through the port for debuggers.
func TestOpenGDB(t *testing.T) {
	root := fakeRoot()
	img, err := NewRunning(root)
	if err != nil {
		t.Fatal(err)
	}
	symbols := filepath.Join(t.TempDir(), "System.map")
	writeFile(t, symbols, strings.NewReplacer("ffffffff93", "ffffffff81").Replace(fakeKallsyms))
	gdb, err := OpenGDB(t.Context(), serveMemory(t, img), symbols)
	if err != nil {
		t.Fatal(err)
	}
	defer gdb.Close()
	if m := gdb.Modules()[0]; m.Bias != fakeSlide || m.Name != kernelName {
		t.Errorf("%+v", m)
	}
	b := make([]byte, 16)
	if err := gdb.ReadAddr(b, one(t, gdb, "schedule").Addr); err != nil || string(b) != "code of schedule" {
		t.Errorf("schedule: %q, %v", b, err)
	}
	if err := gdb.ReadAddr(b, 0x1000); err == nil {
		t.Error("what is not mapped was read")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := OpenGDB(ctx, serveMemory(t, img), symbols); err == nil {
		t.Error("opened although the context is done")
	}
}
