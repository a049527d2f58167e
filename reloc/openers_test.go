package reloc_test

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/gosplice/gosplice/reloc"
)

// TestOpeners: each function that opens an image opens what it is for, or says what is
// wrong with something else. Package image has the tests of what they do.
func TestOpeners(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	mem, err := reloc.NewSegments(reloc.Segment{Addr: 0x1000, Data: make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		open func() (*reloc.Image, error)
		want error // nil: an image
	}{
		{"Open", func() (*reloc.Image, error) { return reloc.Open(self, reloc.ModuleOptions{}) }, nil},
		{"OpenELF", func() (*reloc.Image, error) { return reloc.OpenELF(self) }, nil},
		{"OpenKernel", func() (*reloc.Image, error) { return reloc.OpenKernel(self) }, reloc.ErrNotKernel},
		{"NewImage", func() (*reloc.Image, error) {
			return reloc.NewImage(mem, []reloc.Region{{Start: 0x1000, End: 0x1010, Read: true}}, nil, nil)
		}, nil},
	} {
		img, err := tt.open()
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if err == nil {
			img.Close()
		}
	}
	if runtime.GOOS == "linux" {
		img, err := reloc.OpenProcess(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		img.Close()
		if img, err := reloc.OpenRunning(); err == nil { // it takes root, and a kernel that shows itself
			img.Close()
		}
	}
	if _, _, err := reloc.ReadModule(mem, 0x1000, "zeros", 0); err == nil {
		t.Error("zeros are a module")
	}
	if _, err := reloc.OpenModule(self, reloc.ModuleOptions{}); err == nil {
		t.Error("a program is a module of the kernel")
	}
}
