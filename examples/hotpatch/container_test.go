//go:build linux && amd64

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// containerCalls are what a container may call here, as engines have lists of what is allowed:
// neither mprotect nor munmap, memfd_create, ptrace or userfaultfd, so that what an update needs is
// forbidden.
var containerCalls = strings.Fields(`read write writev readv close fstat newfstatat stat brk rt_sigaction rt_sigprocmask rt_sigreturn arch_prctl
	exit exit_group execve set_tid_address set_robust_list rseq prlimit64 getrandom readlink readlinkat uname futex clone clone3 mmap
	nanosleep clock_nanosleep poll recvfrom sendto recvmsg sendmsg madvise sched_yield getpid gettid getppid openat fcntl chdir fchdir getcwd setgid
	setuid setgroups capget capset prctl dup3 fstatfs statfs getdents64 epoll_ctl epoll_pwait epoll_create1 eventfd2 pipe2 tgkill sigaltstack faccessat2`)

// startContained starts the shop in a container of runc, with namespaces of its own and a filter
// of system calls.
func startContained(t *testing.T, id string) *shop {
	t.Helper()
	testenv.Need(t, "runc")
	testenv.NeedRoot(t)
	bundle := t.TempDir()
	for _, dir := range []string{"rootfs/proc", "rootfs/dev", "rootfs/sys", "state"} {
		if err := os.MkdirAll(filepath.Join(bundle, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(bundle, "rootfs/shop"), shopProgram, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("runc", "spec", "--bundle", bundle).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	contained(t, filepath.Join(bundle, "config.json"), id)
	runc := func(args ...string) *exec.Cmd {
		return exec.Command("runc", append([]string{"--root", filepath.Join(bundle, "state")}, args...)...)
	}
	s, said := connected(t, runc("run", "--bundle", bundle, "--preserve-fds", "1", id), 20*time.Second)
	t.Cleanup(func() {
		_ = runc("kill", id, "KILL").Run()
		s.conns[0].Close()
		s.cmd.Wait()
		_ = runc("delete", "--force", id).Run()
	})
	if line, err := s.ask(); err != nil {
		_ = runc("kill", id, "KILL").Run()
		s.cmd.Wait()
		t.Skipf("no container runs here: %q, %v: %s", line, err, said.Bytes())
	}
	return s
}

// connected runs what starts the shop, with a connection to it that has a limit, and keeps what it says beside.
func connected(t *testing.T, cmd *exec.Cmd, limit time.Duration) (*shop, *bytes.Buffer) {
	t.Helper()
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		t.Fatal(err)
	}
	said := &bytes.Buffer{}
	cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = []*os.File{theirs}, said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(limit))
	return &shop{cmd: cmd, conns: []net.Conn{conn}}, said
}

// contained changes what runc is told: the program, its cgroup, and the filter.
func contained(t *testing.T, name, id string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	process, linux := c["process"].(map[string]any), c["linux"].(map[string]any)
	process["terminal"], process["args"] = false, []string{"/shop"}
	linux["cgroupsPath"] = "/hotpatch-" + id
	linux["seccomp"] = map[string]any{
		"defaultAction": "SCMP_ACT_ERRNO", "architectures": []string{"SCMP_ARCH_X86_64"},
		"syscalls": []any{map[string]any{"names": containerCalls, "action": "SCMP_ACT_ALLOW"}},
	}
	if b, err = json.Marshal(c); err == nil {
		err = os.WriteFile(name, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestContainer applies an update to a program in a container, which is meant by 12 characters of
// its ID, and takes it back.
func TestContainer(t *testing.T) {
	sum := sha256.Sum256([]byte(t.Name() + strconv.Itoa(os.Getpid())))
	id := hex.EncodeToString(sum[:])
	inside := startContained(t, id)
	outside, err := startShop(1)
	if err != nil {
		t.Fatal(err)
	}
	defer outside.close()
	backAndForth(t, inside, outside, id)
}

// backAndForth applies an update to a container, and nobody else, and takes it back.
func backAndForth(t *testing.T, inside, outside *shop, id string) {
	t.Helper()
	price := func(when string, in, out int) {
		t.Helper()
		for s, want := range map[*shop]int{inside: in, outside: out} {
			if line, err := s.ask(); err != nil || priceOf(line) != want {
				t.Errorf("%s: answer %q, %v; want %d", when, line, err, want)
			}
		}
	}
	pre, post := objects(t)
	stored := filepath.Join(t.TempDir(), "update.json")
	hotpatch(t, exitDone, "-pid", strconv.Itoa(outside.cmd.Process.Pid), "-pre", pre, "-post", post, "-fixes", "CVE-2026-0001", "-o", stored, "-dry-run", "-json")
	price("before", oldTotal, oldTotal)
	for range 3 {
		hotpatch(t, exitDone, "apply", stored, "-container", id[:12], "-json")
		price("applied", newTotal, oldTotal)
		hotpatch(t, exitDone, "verify", stored, "-container", id[:12], "-json")
		hotpatch(t, exitDone, "fixes", stored, "-container", id[:12], "-json")
		hotpatch(t, exitDone, "revert", stored, "-container", id[:12], "-json")
		price("reverted", oldTotal, oldTotal)
	}
	inside.gone(t, "-container", id[:12])
}

// podmanOptions are ways to run a container, as people harden them. Limits that podman raises otherwise are
// given, since that may be forbidden here.
var podmanOptions = map[string]string{
	"as it is": "",
	"hardened": "--read-only --cap-drop=all --security-opt no-new-privileges --memory 16m --pids-limit 10 --user 1234:1234",
}

// TestPodman does it with podman's containers, which have its default profile of system calls, and a root of their own. It is not
// wanted of a machine that runs tests: it has no podman, or one that can't start containers.
func TestPodman(t *testing.T) {
	testenv.NeedRoot(t)
	if _, err := exec.LookPath("podman"); err != nil {
		t.Skipf("needs podman: %v", err)
	}
	outside, err := startShop(1)
	if err != nil {
		t.Fatal(err)
	}
	defer outside.close()
	for name, options := range podmanOptions {
		t.Run(name, func(t *testing.T) {
			inside, id := startPodman(t, strings.Fields(options))
			backAndForth(t, inside, outside, id)
		})
	}
}

// startPodman starts the shop in a container, and returns its ID.
func startPodman(t *testing.T, options []string) (*shop, string) {
	t.Helper()
	root, id := t.TempDir(), filepath.Join(t.TempDir(), "id")
	for _, dir := range []string{"proc", "dev", "sys", "run", "tmp", "etc"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "shop"), shopProgram, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) { // for other users
		_ = os.Chmod(dir, 0o755)
	}
	var args []string
	if _, err := exec.LookPath("runc"); err == nil {
		args = append(args, "--runtime", "runc")
	}
	args = append(args, "run", "--rm", "--preserve-fds=1", "--cidfile", id, "--network=none",
		"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--ulimit", "memlock=65536:65536")
	args = append(append(args, options...), "--rootfs", root, "/shop")
	s, said := connected(t, exec.Command("podman", args...), time.Minute)
	t.Cleanup(func() {
		s.conns[0].Close() // ends it
		s.cmd.Wait()
	})
	line, err := s.ask()
	name, idErr := os.ReadFile(id)
	if err != nil || idErr != nil {
		s.conns[0].Close()
		s.cmd.Wait()
		t.Skipf("podman starts no container here: %q, %v, %v: %s", line, err, idErr, said.Bytes())
	}
	return s, strings.TrimSpace(string(name))
}
