package vm_test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
)

// TestOops has the kernel kill the thread that loads a module: the request is
// answered, the log tells why, and the machine goes on. Then it panics.
func TestOops(t *testing.T) {
	t.Parallel()
	k := vmtest.Need(t, "6.12")
	m, err := vm.Start(t.Context(), vm.Options{Kernel: &k.Kernel})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var e *vm.Error
	if err := m.Load(t.Context(), trapAtInit(t, k, "dummy"), ""); !errors.As(err, &e) {
		t.Fatalf("Load: %v, want an Error", err)
	}
	if !strings.Contains(e.Error(), "Call Trace:") {
		t.Errorf("the error does not tell what the kernel said: %v", e)
	}
	var l *vm.LogError
	if err := m.Check(t.Context(), vm.Policy{Taint: "E"}); !errors.As(err, &l) {
		t.Fatalf("Check: %v, want a LogError", err)
	}
	if l.Taint != "D" || len(l.Findings) == 0 || len(l.Findings[0].Records) < 10 {
		t.Errorf("Check: taint %q, want D, and one finding with its trace: %v", l.Taint, l)
	}

	pending := make(chan error, 1)
	go func() {
		pending <- m.WaitFile(t.Context(), "/proc/sys/kernel/hostname", "never")
	}()
	err = m.WriteFile(t.Context(), "/proc/sysrq-trigger", []byte("c"))
	for _, err := range []error{err, <-pending} {
		var dead *vm.DeadError
		if !errors.As(err, &dead) || !errors.Is(err, vm.ErrExit) {
			t.Fatalf("got %v, want a DeadError", err)
		}
		if !strings.Contains(err.Error(), "sysrq triggered crash") {
			t.Errorf("the end of the console is missing: %v", err)
		}
	}
	if err := m.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestStalled has a debugger stop the guest: what it is asked for fails in time, and the
// machine is gone.
func TestStalled(t *testing.T) {
	t.Parallel()
	k := vmtest.Need(t, "6.1")
	port := filepath.Join(t.TempDir(), "gdb")
	m, err := vm.Start(t.Context(), vm.Options{Kernel: &k.Kernel, CPUs: 2, GDB: port, Patience: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.ReadFile(t.Context(), "/proc/version"); err != nil {
		t.Fatal(err)
	}
	debugger, err := net.Dial("unix", port)
	if err != nil {
		t.Fatal(err)
	}
	defer debugger.Close()
	for err == nil { // until the debugger is seen
		_, err = m.ReadFile(t.Context(), "/proc/version")
	}
	if !errors.Is(err, vm.ErrStalled) {
		t.Fatalf("%v, want ErrStalled", err)
	}
	var dead *vm.DeadError
	if _, err := m.ReadFile(t.Context(), "/proc/version"); !errors.As(err, &dead) || !errors.Is(err, vm.ErrStalled) {
		t.Errorf("then: %v, want a DeadError that says why", err)
	}
}

// trapAtInit returns a module of the kernel that executes ud2 as soon as it is
// initialized.
func trapAtInit(t *testing.T, k *debkernel.Kernel, name string) []byte {
	t.Helper()
	s := spec(t, k, name)
	i := slices.IndexFunc(s.Symbols, func(s elfobj.Symbol) bool { return s.Name == "init_module" })
	sym := s.Symbols[i]
	text := &s.Sections[sym.Section]
	text.Data = bytes.Clone(text.Data)
	at := int(sym.Value)
	for _, sec := range s.Sections { // behind the call that ftrace replaces
		if sec.Type != elf.SHT_RELA || sec.Info != uint32(sym.Section) {
			continue
		}
		for slices.ContainsFunc(sec.Relas, func(r elfobj.Rela) bool { return int(r.Offset) < at+2 && at < int(r.Offset)+8 }) || at < int(sym.Value)+9 {
			at++
		}
	}
	copy(text.Data[at:], "\x0f\x0b")
	var b bytes.Buffer
	if _, err := s.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func spec(t *testing.T, k *debkernel.Kernel, name string) *elfobj.Spec {
	t.Helper()
	image, err := k.Module(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elfobj.Parse(vm.Unsigned(image))
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Spec()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestNoBoot: a kernel that cannot start init is reported at once.
func TestNoBoot(t *testing.T) {
	t.Parallel()
	k := vmtest.Need(t, "6.1")
	_, err := vm.Start(t.Context(), vm.Options{Kernel: &k.Kernel, Cmdline: []string{"rdinit=/missing", "root=/dev/missing"}})
	var dead *vm.DeadError
	if !errors.As(err, &dead) || !strings.Contains(dead.Console, "Kernel panic") {
		t.Errorf("Start: %v, want a DeadError with the panic", err)
	}
	_, err = vm.Start(t.Context(), vm.Options{Kernel: &k.Kernel, CPUModel: "no-such-model"})
	if !errors.As(err, &dead) || !strings.Contains(dead.Console, "no-such-model") {
		t.Errorf("Start: %v, want a DeadError with QEMU's words", err)
	}
	if _, err := vm.Start(t.Context(), vm.Options{Kernel: &k.Kernel, Modules: []string{"no_such_module"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start: %v, want %v", err, os.ErrNotExist)
	}
}

// TestCancel ends the context of a machine as soon as QEMU runs.
func TestCancel(t *testing.T) {
	t.Parallel()
	k := vmtest.Need(t, "6.1")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	errEnough := errors.New("seen enough")
	marker := "marker=" + t.TempDir() // tells our QEMU from the others
	go func() {
		for len(processes(marker)) == 0 && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		cancel(errEnough)
	}()
	if _, err := vm.Start(ctx, vm.Options{Kernel: &k.Kernel, Cmdline: []string{marker}}); !errors.Is(err, errEnough) {
		t.Errorf("Start: %v, want %v", err, errEnough)
	}
	if left := processes(marker); len(left) != 0 {
		t.Errorf("still there: %q", left)
	}
}

// processes returns the folders of the processes that have the text in their
// arguments.
func processes(text string) (found []string) {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is good
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte(text)) {
			found = append(found, filepath.Dir(name))
		}
	}
	return found
}
