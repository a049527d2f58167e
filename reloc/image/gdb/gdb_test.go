package gdb_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/image/gdb"
	"github.com/gosplice/gosplice/reloc/image/internal/fakekernel"
)

// TestOpen opens memory through the port for debuggers.
func TestOpen(t *testing.T) {
	root := fakekernel.Root()
	img, err := image.NewRunning(root)
	if err != nil {
		t.Fatal(err)
	}
	symbols := filepath.Join(t.TempDir(), "System.map")
	text := strings.ReplaceAll(fakekernel.Kallsyms, "ffffffff93", "ffffffff81")
	if err := os.WriteFile(symbols, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	guest, err := gdb.Open(t.Context(), fakekernel.ServeGDB(t, img, 2), symbols)
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	if m := guest.Modules()[0]; m.Bias != fakekernel.Slide || m.Name != "vmlinux" {
		t.Errorf("%+v", m)
	}
	b := make([]byte, 16)
	if err := guest.ReadAddr(b, guest.Lookup("schedule")[0].Addr); err != nil || string(b) != "code of schedule" {
		t.Errorf("schedule: %q, %v", b, err)
	}
	if err := guest.ReadAddr(b, 0x1000); err == nil {
		t.Error("what is not mapped was read")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := gdb.Open(ctx, fakekernel.ServeGDB(t, img, 0), symbols); err == nil {
		t.Error("opened although the context is done")
	}
	if _, err := gdb.Open(t.Context(), fakekernel.ServeGDB(t, img, 1<<30), symbols); !errors.Is(err, image.ErrNoKernel) {
		t.Errorf("a guest that never enters the kernel: %v", err)
	}
}
