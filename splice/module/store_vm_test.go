package module_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

const guard = "/var/lib/gosplice/guard.json"

// testStore has livectl keep signed updates in the guest, and load them as a unit would: stacked,
// not at all after a boot that did not prove good, and cumulative.
func testStore(t *testing.T, b *bench, m *vm.Machine) {
	begin := time.Now()
	putLivectl(t, m)
	key, cert := newKey(t, 1)
	other, otherCert := newKey(t, 2)
	put(t, m, "/release.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	cmdline := change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `seq_puts(m, " of the store\n");`)
	version := change("fs/proc/version.c", "utsname()->release,", "utsname()->version,")
	one, two := b.build(t, module.Options{Name: "fix_cmdline"}, cmdline...), b.build(t, module.Options{Name: "fix_version"}, version...)
	all := b.build(t, module.Options{Name: "fix_all", Replace: true}, slices.Concat(cmdline, version)...)
	put(t, m, "/unsigned.ko", one.Bytes())
	putSigned(t, m, "/other.ko", one, otherCert, other)
	for _, u := range []*module.Module{one, two, all} {
		putSigned(t, m, "/"+u.Name+".ko", u, cert, key)
	}
	store := func(status int, want string, args ...string) {
		t.Helper()
		livectl(t, m, status, want, append([]string{"store"}, args...)...)
	}
	live := func(cmdline, version bool) {
		t.Helper()
		for path, c := range map[string]struct {
			text  string
			there bool
		}{"/proc/cmdline": {" of the store", cmdline}, "/proc/version": {"Linux version #1", version}} {
			if err := shows(t.Context(), m, path, c.text, c.there); err != nil {
				t.Error(err)
			}
		}
	}
	store(0, "keys: release", "policy", "-accept", "/release.pem")
	store(2, "refused (unsigned)", "add", "/unsigned.ko")
	store(2, "refused (key-not-accepted)", "add", "/other.ko")
	store(0, "signed by release", "add", "/fix_cmdline.ko")
	store(0, "signed by release", "add", "/fix_version.ko")
	store(0, "fix_cmdline: loaded", "boot")
	live(true, true)
	livectl(t, m, 0, "gone", "revert", "fix_version")
	livectl(t, m, 0, "gone", "revert", "fix_cmdline")
	otherBoot(t, m)
	store(2, "DID NOT PROVE GOOD", "boot")
	live(false, false)
	store(0, "fix_cmdline, fix_version", "allow", "fix_cmdline", "fix_version")
	store(0, "cumulative", "policy", "-mode", "cumulative")
	store(2, "refused (not-cumulative)", "list")
	store(0, "added", "add", "/fix_all.ko")
	store(0, "fix_version: a later one has what it has", "boot")
	live(true, true)
	store(0, "good: fix_all", "good")
	livectl(t, m, 0, "gone", "revert", "fix_all")
	live(false, false)
	t.Logf("the store in the guest: %v", time.Since(begin))
}

func putLivectl(t *testing.T, m *vm.Machine) {
	t.Helper()
	exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/examples/livectl")
	if err == nil {
		err = m.Put(t.Context(), "/bin/livectl", exe, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, m *vm.Machine, path string, data []byte) {
	t.Helper()
	if err := m.Put(t.Context(), path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func putSigned(t *testing.T, m *vm.Machine, path string, u *module.Module, cert *x509.Certificate, key *rsa.PrivateKey) {
	t.Helper()
	signed, err := u.Sign(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, m, path, signed.Bytes())
}

// livectl runs a command in the guest, and wants its status and a word that it says.
func livectl(t *testing.T, m *vm.Machine, status int, want string, args ...string) {
	t.Helper()
	r, err := m.Run(t.Context(), vm.Command{Path: "/bin/livectl", Args: args})
	if err != nil {
		t.Fatal(err)
	}
	said := string(r.Stdout) + string(r.Stderr)
	if r.Status != status || !strings.Contains(said, want) {
		t.Errorf("%q: status %d, want %d, with %q: %s", args, r.Status, status, want, said)
	}
}

// otherBoot makes the guard one of another boot, as it is after a machine went down.
func otherBoot(t *testing.T, m *vm.Machine) {
	t.Helper()
	id, err := m.ReadFile(t.Context(), "/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.ReadFile(t.Context(), guard)
	if err != nil || !bytes.Contains(text, bytes.TrimSpace(id)) {
		t.Fatalf("%s: %s, %v", guard, text, err)
	}
	if err := m.WriteFile(t.Context(), guard, bytes.Replace(text, bytes.TrimSpace(id), bytes.Repeat([]byte("0"), len(bytes.TrimSpace(id))), 1)); err != nil {
		t.Fatal(err)
	}
}
