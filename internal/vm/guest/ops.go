//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

// operations tells how many fields a request must have at least, and what to do.
var operations = map[wire.Op]struct {
	fields int
	run    func(g *guest, ctx context.Context, f [][]byte) ([][]byte, error)
}{
	wire.Load:      {3, (*guest).load},
	wire.Unload:    {2, (*guest).unload},
	wire.ReadFile:  {1, (*guest).readFile},
	wire.WriteFile: {3, (*guest).writeFile},
	wire.ReadDir:   {1, (*guest).readDir},
	wire.Run:       {4, (*guest).run},
	wire.Sync:      {0, (*guest).sync},
	wire.PowerOff:  {0, (*guest).powerOff},
	wire.ReadAt:    {3, (*guest).readAt},
	wire.Hold:      {0, (*guest).hold},
	wire.Touch:     {1, (*guest).touch},
	wire.Release:   {1, (*guest).release},
}

func (g *guest) load(_ context.Context, f [][]byte) ([][]byte, error) {
	flags, err := strconv.Atoi(string(f[2]))
	if err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp("/tmp", "module-*.ko")
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(f[0])
	// The kernel refuses to run what is open for writing.
	if err := firstError(err, tmp.Close()); err != nil {
		return nil, err
	}
	return nil, loadFile(tmp.Name(), string(f[1]), flags)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func loadFile(name, params string, flags int) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for range 100 {
		// A program that is just started has what was open for writing until it runs.
		if err = finitModule(f.Fd(), params, flags); err != syscall.ETXTBSY {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		return fmt.Errorf("finit_module: %w", err)
	}
	return nil
}

func (g *guest) unload(_ context.Context, f [][]byte) ([][]byte, error) {
	flags, err := strconv.Atoi(string(f[1]))
	if err != nil {
		return nil, err
	}
	if err := deleteModule(string(f[0]), flags); err != nil {
		return nil, fmt.Errorf("delete_module: %w", err)
	}
	return nil, nil
}

func (g *guest) readFile(_ context.Context, f [][]byte) ([][]byte, error) {
	b, err := os.ReadFile(string(f[0]))
	return [][]byte{b}, err
}

// readAt reads a part of a file, such as /proc/kcore, which has no end.
func (g *guest) readAt(_ context.Context, f [][]byte) ([][]byte, error) {
	off, err := strconv.ParseInt(string(f[1]), 10, 64)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(string(f[2]), 10, 26) // 64 MiB
	if err != nil {
		return nil, err
	}
	file, err := os.Open(string(f[0]))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	got, err := file.ReadAt(b, off)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return [][]byte{b[:got], []byte(strconv.FormatInt(st.Size(), 10))}, nil
}

// writeFile writes in one system call, which is what files of proc and sysfs
// expect.
func (g *guest) writeFile(_ context.Context, f [][]byte) ([][]byte, error) {
	name, data := string(f[0]), f[1]
	if len(f[2]) == 0 {
		w, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		_, err = w.Write(data)
		return nil, firstError(err, w.Close())
	}
	perm, err := strconv.ParseUint(string(f[2]), 8, 9)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	// A program that runs keeps its file: the new one takes its name.
	tmp := name + ".gosplice-tmp"
	if err := os.WriteFile(tmp, data, os.FileMode(perm)); err != nil {
		return nil, err
	}
	return nil, os.Rename(tmp, name)
}

func (g *guest) readDir(_ context.Context, f [][]byte) ([][]byte, error) {
	entries, err := os.ReadDir(string(f[0]))
	if err != nil {
		return nil, err
	}
	var names [][]byte
	for _, e := range entries {
		names = append(names, []byte(e.Name()))
	}
	return names, nil
}

func (g *guest) run(ctx context.Context, f [][]byte) ([][]byte, error) {
	var args []string
	for _, a := range f[4:] {
		args = append(args, string(a))
	}
	cmd := exec.CommandContext(ctx, string(f[3]), args...)
	cmd.Dir = string(f[1])
	if env := string(f[2]); env != "" {
		cmd.Env = append(os.Environ(), strings.Split(env, "\x00")...)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(f[0]), &stdout, &stderr
	cmd.WaitDelay = time.Second // for a grandchild that keeps the pipes
	if err := g.start(cmd); err != nil {
		return nil, err
	}
	err := cmd.Wait()
	g.mu.Lock()
	delete(g.kids, cmd.Process.Pid)
	g.mu.Unlock()
	if cmd.ProcessState == nil {
		return nil, err
	}
	status := cmd.ProcessState.ExitCode()
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		status = 128 + int(ws.Signal()) // as a shell has it
	}
	return [][]byte{[]byte(strconv.Itoa(status)), stdout.Bytes(), stderr.Bytes()}, nil
}

// start starts a command and notes its process before the reaper can see it.
func (g *guest) start(cmd *exec.Cmd) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	g.kids[cmd.Process.Pid] = true
	return nil
}

func (g *guest) sync(context.Context, [][]byte) ([][]byte, error) {
	taint, err := os.ReadFile("/proc/sys/kernel/tainted")
	return [][]byte{bytes.TrimSpace(taint)}, err
}

func (g *guest) powerOff(context.Context, [][]byte) ([][]byte, error) {
	powerOff()
	return nil, nil
}
