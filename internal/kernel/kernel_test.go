package kernel_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"errors"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// openStock opens the image of a stock kernel, or skips the test (see [vmtest.Need]).
func openStock(t *testing.T, release string) (*debkernel.Kernel, *kernel.Image) {
	t.Helper()
	stock := vmtest.Need(t, release)
	path, err := stock.Vmlinux(vmtest.Context(t))
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return stock, k
}

// TestImage asks a distribution's image, with its package's Module.symvers and
// build configuration as witnesses.
func TestImage(t *testing.T) {
	stock, k := openStock(t, "6.1")
	magic, err := k.Vermagic()
	if err != nil || !strings.HasPrefix(magic, stock.Release+" SMP preempt mod_unload modversions ") {
		t.Errorf("vermagic %q, %v", magic, err)
	}
	id, addr, err := k.BuildID()
	if err != nil || len(id) != 20 || !k.IsMapped(addr) || k.IsInit(addr) {
		t.Errorf("build-id %x at %#x, %v", id, addr, err)
	}
	testExports(t, stock, k)
	l, err := k.Layout()
	if err != nil {
		t.Fatal(err)
	}
	if m := l["module"]; m.Size%64 != 0 || m.Offsets["name"] != 24 || m.Offsets["exit"]+8 > m.Size {
		t.Errorf("struct module: %+v", m)
	}
	if a := l["alt_instr"]; a.Size != 12 {
		t.Errorf("struct alt_instr: %+v", a)
	}
	sites, err := k.Sites(l)
	if err != nil {
		t.Fatal(err)
	}
	f := k.Symbols("cmdline_proc_show")[0]
	if at, ok := sites.Fentry(f.Addr, f.Addr+f.Size); !ok || at != f.Addr {
		t.Errorf("no fentry site in %+v", f)
	}
	if n := len(sites.In(f.Addr, f.Addr+f.Size)); n != 2 { // fentry and the return
		t.Errorf("%d sites in %s: %v", n, f.Name, sites.In(f.Addr, f.Addr+f.Size))
	}
	if pos, ok := k.Position("cmdline_proc_show", f.Addr); pos != 0 || !ok {
		t.Errorf("position %d, %v of a unique name", pos, ok)
	}
	dup := k.Symbols("type_show")
	for i, s := range dup {
		if pos, ok := k.Position(s.Name, s.Addr); !ok || pos != uint64(i+1) || i > 0 && dup[i-1].Addr >= s.Addr {
			t.Errorf("position %d, %v of %+v", pos, ok, s)
		}
	}
	if len(dup) < 2 {
		t.Error("type_show should be there more than once")
	}
}

func testExports(t *testing.T, stock *debkernel.Kernel, k *kernel.Image) {
	path, err := stock.Symvers(vmtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := kernel.ReadSymvers(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Exports()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, w := range want {
		if w.Module != "" {
			continue
		}
		n++
		if g := got[name]; g.CRC != w.CRC || g.GPL != w.GPL || g.Namespace != w.Namespace || !g.HasCRC {
			t.Errorf("%s: image has %+v, Module.symvers %+v", name, g, w)
		}
	}
	if n < 9000 || n != len(got) {
		t.Errorf("%d exports in Module.symvers, %d in the image", n, len(got))
	}
}

func TestReadSymvers(t *testing.T) {
	const good = "0x92997ed8\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n0x00000001\tx\tdrivers/a/b\tEXPORT_SYMBOL_GPL\tNS\n"
	got, err := kernel.ReadSymvers(strings.NewReader(good))
	if err != nil || got["_printk"].CRC != 0x92997ed8 || got["x"].Module != "drivers/a/b" || !got["x"].GPL || got["x"].Namespace != "NS" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"x", "0x1\ta\tb", "1\ta\tb\tEXPORT_SYMBOL", "0x123456789\ta\tb\tEXPORT_SYMBOL", "0x1\t\tb\tEXPORT_SYMBOL", "0x1\ta\tb\tNO\t", "0x1\ta\tb\tEXPORT_SYMBOL\tn\tm"} {
		if _, err := kernel.ReadSymvers(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzReadSymvers(f *testing.F) {
	f.Add([]byte("0x92997ed8\t_printk\tvmlinux\tEXPORT_SYMBOL\t\n"))
	f.Add([]byte("0x1\ta\tb\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := kernel.ReadSymvers(bytes.NewReader(b))
		if err != nil && got != nil {
			t.Error("a result and an error")
		}
	})
}

func FuzzReadLayout(f *testing.F) {
	f.Add([]byte{0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := kernel.ReadLayout(b)
		if err != nil && got != nil {
			t.Error("a result and an error")
		}
	})
}
