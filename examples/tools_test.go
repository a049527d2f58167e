//go:build linux && amd64

package examples_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// tools are the commands, and what becomes of each without arguments.
var tools = []struct {
	name   string
	status int
	says   string // a part of what it says
}{
	{"elfdiff", 64, "0 arguments where PRE.o and POST.o are needed"},
	{"runpre", 64, "-run is missing"},
	{"mkupdate", 64, "no patch is given"},
	{"hotpatch", 0, "0 lost, 0 wrong"},
	{"livectl", 64, "no command is given"},
	{"corpus", 1, "apt"}, // it asks for the kernels that it compares unless told otherwise
}

// TestTools builds all commands, and tries them.
func TestTools(t *testing.T) {
	testenv.Need(t, "go")
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir+"/", "./...").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("command line", func(t *testing.T) { testCommandLine(t, dir) })
	t.Run("usage", func(t *testing.T) { testUsage(t, dir) })
	t.Run("terminated", func(t *testing.T) { testTerminated(t, dir) })
}

// command returns a command that finds no packages, and its outputs.
func command(t *testing.T, path string, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	cmd, stdout, stderr = exec.Command(path, args...), new(bytes.Buffer), new(bytes.Buffer)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), stdout, stderr
	cmd.Env = append(os.Environ(), "PATH="+t.TempDir(), "GOSPLICE_CACHE="+t.TempDir())
	cmd.WaitDelay = time.Second // who has its output still, is left
	return cmd, stdout, stderr
}

func statusOf(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Error(err)
		return -1
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

// testCommandLine has the same command lines do the same in all tools.
func testCommandLine(t *testing.T, dir string) {
	for _, tool := range tools {
		for _, c := range []struct {
			name           string
			args           []string
			status         int
			stdout, stderr string // how it begins; "" is nothing
		}{
			{"help", []string{"-h"}, 0, "usage: " + tool.name, ""},
			{"long help", []string{"--help"}, 0, "usage: " + tool.name, ""},
			{"version", []string{"-version"}, 0, tool.name + " ", ""},
			{"unknown flag", []string{"-nonsense"}, 64, "", tool.name + ": flag provided but not defined: -nonsense\nusage: " + tool.name},
			{"bad value", []string{"-json=x"}, 64, "", tool.name + ": invalid boolean value \"x\" for -json"},
		} {
			t.Run(tool.name+"/"+c.name, func(t *testing.T) {
				cmd, stdout, stderr := command(t, filepath.Join(dir, tool.name), c.args...)
				if got := statusOf(t, cmd.Run()); got != c.status {
					t.Errorf("status %d, want %d", got, c.status)
				}
				for _, o := range []struct {
					name, got, want string
				}{{"stdout", stdout.String(), c.stdout}, {"stderr", stderr.String(), c.stderr}} {
					if !strings.HasPrefix(o.got, o.want) || o.want == "" && o.got != "" {
						t.Errorf("%s is %q, want %q", o.name, o.got, o.want)
					}
				}
			})
		}
		t.Run(tool.name+"/nothing", func(t *testing.T) {
			cmd, stdout, stderr := command(t, filepath.Join(dir, tool.name))
			if got := statusOf(t, cmd.Run()); got != tool.status {
				t.Errorf("status %d, want %d", got, tool.status)
			}
			if all := stdout.String() + stderr.String(); !strings.Contains(all, tool.says) {
				t.Errorf("no %q in\n%s", tool.says, all)
			}
		})
	}
}

// testUsage has every flag explained, in lines that fit a terminal.
func testUsage(t *testing.T, dir string) {
	for _, tool := range tools {
		cmd, stdout, _ := command(t, filepath.Join(dir, tool.name), "-h")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"  -json ", "  -version ", "\nExit status: 0 ", "64 usage.\n"} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%s -h: no %q", tool.name, want)
			}
		}
		for line := range strings.Lines(stdout.String()) {
			if n := len([]rune(line)); n > 86 || strings.HasSuffix(line, " \n") {
				t.Errorf("%s -h: %d columns: %q", tool.name, n, line)
			}
		}
	}
}

// testTerminated ends each tool in the middle of what it does: it says so, exits with
// 1, and leaves no child.
func testTerminated(t *testing.T, dir string) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string, cmd *exec.Cmd) (begun func() bool)
	}{
		{"elfdiff", manyPairs}, {"runpre", silentGuest}, {"mkupdate", slowObjtool}, {"hotpatch", demo}, {"livectl", slowTransition}, {"corpus", slowPackages},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd, stdout, stderr := command(t, filepath.Join(dir, c.name))
			begun := c.make(t, t.TempDir(), cmd)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill() })
			await(t, "it begins", begun)
			children := childrenOf(t, cmd.Process.Pid)
			start := time.Now()
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if got := statusOf(t, cmd.Wait()); got != 1 || !strings.HasPrefix(stderr.String(), c.name+": ") {
				t.Errorf("status %d, stdout %.200q, stderr %q", got, stdout, stderr)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			for _, pid := range children {
				await(t, fmt.Sprintf("child %d ends", pid), func() bool { return !lives(pid) })
			}
		})
	}
}

// await waits for something.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("not within a minute: %s", what)
}

// lives reports whether a process runs.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func childrenOf(t *testing.T, pid int) (out []int) {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tasks {
		b, _ := os.ReadFile(name) // of a thread that may have ended
		for _, f := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, n)
			out = append(out, childrenOf(t, n)...)
		}
	}
	return out
}

// exists reports whether a file is there.
func exists(name string) func() bool {
	return func() bool {
		_, err := os.Stat(name)
		return err == nil
	}
}

// manyPairs has elfdiff write pages for minutes.
func manyPairs(t *testing.T, dir string, cmd *exec.Cmd) func() bool {
	t.Helper()
	for side, name := range map[string]string{"old": "pre.o", "new": "post.o"} {
		b, err := os.ReadFile("../elfdiff/testdata/objects/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, side), 0o777); err != nil {
			t.Fatal(err)
		}
		first := filepath.Join(dir, side, "0.o")
		if err := os.WriteFile(first, b, 0o666); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < 20_000; i++ {
			if err := os.Link(first, filepath.Join(dir, side, fmt.Sprint(i, ".o"))); err != nil {
				t.Fatal(err)
			}
		}
	}
	out := filepath.Join(dir, "out")
	cmd.Args = append(cmd.Args, "-html", out, filepath.Join(dir, "old"), filepath.Join(dir, "new"))
	return exists(out)
}

// silentGuest has runpre wait for a guest that does not answer.
func silentGuest(t *testing.T, dir string, cmd *exec.Cmd) func() bool {
	t.Helper()
	port, symbols := filepath.Join(dir, "port"), filepath.Join(dir, "System.map")
	l, err := net.Listen("unix", port)
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			called <- c
		}
	}()
	t.Cleanup(func() { l.Close() })
	var text strings.Builder
	for i, name := range []string{"_text", "_stext", "_etext", "__start_rodata", "__end_rodata", "_sdata", "_edata", "__init_begin", "__init_end", "_end"} {
		fmt.Fprintf(&text, "%x D %s\n", 0xffffffff81000000+uint64(i)<<20, name)
	}
	if err := os.WriteFile(symbols, []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	object, err := filepath.Abs("../reloc/testdata/tiny.o")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append(cmd.Args, "-symbols", symbols, "-run", "gdb:unix:"+port, object)
	return func() bool {
		select {
		case c := <-called:
			t.Cleanup(func() { c.Close() })
			return true
		default:
			return false
		}
	}
}

// sleeper writes a script that says that it runs, and sleeps in a child.
func sleeper(t *testing.T, path string) (begun func() bool) {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\n/bin/sleep 1000 &\n: > %s.runs\nwait\n", path)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return exists(path + ".runs")
}

// slowPackages has corpus ask for packages.
func slowPackages(t *testing.T, dir string, cmd *exec.Cmd) func() bool {
	t.Helper()
	cmd.Env = append(cmd.Env, "PATH="+dir)
	return sleeper(t, filepath.Join(dir, "apt-cache"))
}

// slowObjtool has mkupdate wait for objtool.
func slowObjtool(t *testing.T, dir string, cmd *exec.Cmd) func() bool {
	t.Helper()
	image, err := vmtest.Need(t, "6.1").Vmlinux(vmtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	object, err := filepath.Abs("../reloc/testdata/tiny.o")
	if err != nil {
		t.Fatal(err)
	}
	tool := filepath.Join(dir, "objtool")
	cmd.Args = append(cmd.Args, "-run", image, "-name", "fix", "-objtool", tool, object, object)
	return sleeper(t, tool)
}

// demo has hotpatch show itself, as soon as its server runs.
func demo(t *testing.T, _ string, cmd *exec.Cmd) func() bool {
	return func() bool { return cmd.Process != nil && len(childrenOf(t, cmd.Process.Pid)) > 0 }
}

// slowTransition has livectl wait for a transition that does not end, in a kernel of files.
func slowTransition(t *testing.T, dir string, cmd *exec.Cmd) func() bool {
	t.Helper()
	for name, text := range map[string]string{
		"proc/modules":                              "fix 8192 1 - Live 0x0 (OEK)\n",
		"proc/7/task/7/patch_state":                 "0\n",
		"proc/7/task/7/stat":                        "7 (task) S 1 1 1 0 -1 0 0\n",
		"proc/7/task/7/stack":                       "[<0>] show+0x1/0x2\n",
		"sys/module/fix/refcnt":                     "1\n",
		"sys/kernel/livepatch/fix/enabled":          "1\n",
		"sys/kernel/livepatch/fix/transition":       "1\n",
		"sys/kernel/livepatch/fix/vmlinux/show,1/x": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	cmd.Args = append(cmd.Args, "-root", dir, "wait", "fix")
	return func() bool { return time.Since(start) > time.Second }
}
