//go:build linux && amd64

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

// impliesSeccomp are settings of systemd.exec(5) with which a service gets a seccomp filter,
// and cutsMounts those with which it sees other mounts than the host.
var (
	impliesSeccomp = []string{"SystemCall", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality",
		"MemoryDenyWriteExecute", "PrivateDevices", "ProtectKernel", "ProtectClock", "ProtectHostname", "DynamicUser"}
	cutsMounts = []string{"Private", "Protect", "ReadOnly", "Inaccessible", "Bind", "TemporaryFileSystem", "RootDirectory", "RootImage", "MountFlags"}
)

// TestUnit has systemd read the unit, and looks for what would keep it from its work.
func TestUnit(t *testing.T) {
	const unit = "service/hotpatch-follow.service"
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Logf("not read by systemd: %v", err)
	} else if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "hotpatch-follow") {
		t.Errorf("%v: %s", err, out)
	}
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for _, name := range slices.Concat(impliesSeccomp, cutsMounts) {
			if strings.HasPrefix(line, name) {
				t.Errorf("%q keeps it from its work", line)
			}
		}
	}
}

// TestPackages installs the tool and an update of a program that runs as packages.
func TestPackages(t *testing.T) {
	testenv.Need(t, "go")
	testenv.NeedRoot(t)
	tool := filepath.Join(t.TempDir(), "hotpatch")
	if out, err := exec.Command("go", "build", "-o", tool, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Run("dpkg", func(t *testing.T) { byDpkg(t, tool) })
	t.Run("rpm", func(t *testing.T) { byRpm(t, tool) })
}

// packaged is a running shop, a stored update of it, and the tool.
type packaged struct {
	*testing.T
	shop         *shop
	tool, update string
	who          string // the file that says which processes are meant
}

func newPackaged(t *testing.T, tool string) *packaged {
	t.Helper()
	s, err := startShop(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	pre, post := objects(t)
	dir := t.TempDir()
	p := &packaged{T: t, shop: s, tool: tool, update: filepath.Join(dir, "shop-discount.update"), who: filepath.Join(dir, "default")}
	pid := strconv.Itoa(s.cmd.Process.Pid)
	hotpatch(t, exitDone, "-pid", pid, "-pre", pre, "-post", post, "-o", p.update, "-dry-run", "-json")
	if err := os.WriteFile(p.who, []byte("WHO='-pid "+pid+"'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *packaged) price(when string, want int) {
	p.Helper()
	if line, err := p.shop.ask(); err != nil || priceOf(line) != want {
		p.Errorf("%s: answer %q, %v; want %d", when, line, err, want)
	}
}

func (p *packaged) run(name string, args ...string) {
	p.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		p.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// install copies files into a folder, which stands for a root.
func (p *packaged) install(root string, files map[string]string) {
	p.Helper()
	for to, from := range files {
		mode := "644"
		if st, err := os.Stat(from); err == nil && st.Mode()&0o100 != 0 {
			mode = "755"
		}
		p.run("install", "-D", "-m", mode, from, filepath.Join(root, to))
	}
}

// byDpkg installs them into a root of its own: dpkg's trigger applies the update, and takes it back
// when its package is removed, or the tool's.
func byDpkg(t *testing.T, tool string) {
	testenv.Need(t, "dpkg", "dpkg-deb")
	p := newPackaged(t, tool)
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	deb := func(name string, files map[string]string) string {
		t.Helper()
		p.install(filepath.Join(dir, name), files)
		p.run("dpkg-deb", "--build", "-Znone", filepath.Join(dir, name))
		return filepath.Join(dir, name+".deb")
	}
	own := deb("hotpatch", map[string]string{
		"usr/bin/hotpatch": p.tool, "usr/lib/hotpatch/hotpatch-sync": "service/hotpatch-sync", "etc/default/hotpatch": p.who,
		"usr/lib/systemd/system/hotpatch-follow.service": "service/hotpatch-follow.service",
		"DEBIAN/control": "service/debian/control", "DEBIAN/conffiles": "service/debian/conffiles", "DEBIAN/triggers": "service/debian/triggers", "DEBIAN/postinst": "service/debian/postinst", "DEBIAN/prerm": "service/debian/prerm",
	})
	fix := deb("update", map[string]string{"usr/lib/hotpatch/updates/shop-discount.update": p.update, "DEBIAN/control": "service/debian/update.control"})
	p.run("install", "-d", filepath.Join(root, "var/lib/dpkg/info"), filepath.Join(root, "var/lib/dpkg/updates"))
	p.install(root, map[string]string{"var/lib/dpkg/status": "/dev/null"})
	dpkg := func(args ...string) {
		t.Helper()
		p.run("dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--log=" + filepath.Join(dir, "log")}, args...)...)
	}
	dpkg("-i", own)
	p.price("without an update", oldTotal)
	who := filepath.Join(root, "etc/default/hotpatch")
	text, err := os.ReadFile(who)
	if err == nil {
		err = os.WriteFile(who, append(text, "# mine\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	dpkg("-i", own)
	if kept, err := os.ReadFile(who); err != nil || !strings.Contains(string(kept), "# mine") {
		t.Errorf("what the administrator chose is %q, %v", kept, err)
	}
	dpkg("-i", fix)
	p.price("installed", newTotal)
	dpkg("-i", fix)
	p.price("installed again", newTotal)
	dpkg("-r", "hotpatch-shop-discount")
	p.price("removed", oldTotal)
	dpkg("-i", fix)
	p.price("installed once more", newTotal)
	dpkg("-r", "hotpatch-shop-discount", "hotpatch")
	p.price("without the tool", oldTotal)
	p.shop.gone(t, "-pid", strconv.Itoa(p.shop.cmd.Process.Pid))
}

// gone demands that a shop, which is selected so, holds nothing of any update. Memory stays while a
// register of a thread that waits points to it, by chance: that is let go of then.
func (s *shop) gone(t *testing.T, who ...string) {
	t.Helper()
	for try := 0; ; try++ {
		v := hotpatch(t, exitDone, append([]string{"status", "-json"}, who...)...)
		list, _ := v["processes"].([]any)
		if len(list) == 0 {
			return
		}
		update := list[0].(map[string]any)["updates"].([]any)[0].(map[string]any)
		if try == 10 || update["state"] != string(splice.Kept) {
			t.Fatalf("status: %v", v)
		}
		if _, err := s.ask(); err != nil {
			t.Fatal(err)
		}
		hotpatch(t, exitDone, append([]string{"revert", update["id"].(string), "-json"}, who...)...)
	}
}

// overlay makes a root of its own over that of the machine, in a mount namespace, and runs a
// command in it.
const overlay = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$DIR/over"
mkdir "$DIR/over/upper" "$DIR/over/work" "$DIR/over/root"
mount -t overlay -o lowerdir=/,upperdir="$DIR/over/upper",workdir="$DIR/over/work" overlay "$DIR/over/root"
for d in proc dev sys; do mount --rbind /$d "$DIR/over/root/$d"; done
mkdir "$DIR/over/root/packages"
mount --bind "$DIR" "$DIR/over/root/packages"
exec chroot "$DIR/over/root" sh -c "$RUN"`

// byRpm does what byDpkg does with rpm, by its file triggers.
func byRpm(t *testing.T, tool string) {
	testenv.Need(t, "rpm", "rpmbuild", "unshare")
	p := newPackaged(t, tool)
	dir := t.TempDir()
	p.install(dir, map[string]string{"hotpatch": p.tool, "hotpatch-sync": "service/hotpatch-sync", "default": p.who,
		"hotpatch-follow.service": "service/hotpatch-follow.service", "shop-discount.update": p.update})
	for _, spec := range []string{"hotpatch", "update"} {
		p.run("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, "--define", "_sourcedir "+dir, "--define", "_rpmdir "+dir, "--define", "_build_id_links none", "service/rpm/"+spec+".spec")
	}
	p.run("install", "-d", filepath.Join(dir, "over"))
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.Command("unshare", "--mount", "sh", "-c", overlay)
	cmd.Env = append(os.Environ(), "DIR="+dir, "RUN=echo up; while read line; do $line >&2 && echo done || echo failed; done")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &said
	to, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	defer cmd.Wait()
	defer to.Close()
	if _, err := fmt.Fscanln(in, new(string)); err != nil {
		cmd.Wait()
		t.Skipf("no root of its own can be made here: %v: %s", err, said.Bytes())
	}
	rpm := func(args string) {
		t.Helper()
		fmt.Fprintln(to, "rpm --nodeps", args)
		var word string
		if _, err := fmt.Fscanln(in, &word); err != nil || word != "done" {
			t.Fatalf("rpm %s: %s, %v: %s", args, word, err, said.Bytes())
		}
	}
	rpm("-i /packages/x86_64/hotpatch-0.2.0-1.x86_64.rpm")
	p.price("without an update", oldTotal)
	rpm("-i /packages/noarch/hotpatch-shop-discount-1-1.noarch.rpm")
	p.price("installed", newTotal)
	rpm("-e hotpatch-shop-discount")
	p.price("removed", oldTotal)
	rpm("-i /packages/noarch/hotpatch-shop-discount-1-1.noarch.rpm")
	p.price("installed once more", newTotal)
	rpm("-e hotpatch")
	p.price("without the tool", oldTotal)
	p.shop.gone(t, "-pid", strconv.Itoa(p.shop.cmd.Process.Pid))
}
