//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

func TestUsage(t *testing.T) {
	for _, bad := range []string{
		"", "-run v", "-run v -name n", "-run v -name n a.o", "-name n a.o b.o", "-run v a.o b.o",
		"-run v -name n -o n.o a.o b.o", "-nonsense", "-run v -name n a.o b.o c.o",
		"-run v -name n -accept nonsense a.o b.o", "-run v -name n -key k a.o b.o", "-run v -name n -cert k a.o b.o",
		"-run v -name n -target a a.o b.o", "-run v -name n -target =a a.o b.o", "-run v -name n -target a-b=c -target a_b=d a.o b.o",
	} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	opt, err := parse(strings.Fields("-run v -name n -fixes A -fixes B a.o b.o c.o d.o"))
	if err != nil || opt.out.file != "n.ko" || len(opt.args) != 4 || len(opt.module.Fixes) != 2 {
		t.Errorf("%+v, %v", opt, err)
	}
}

// TestRun makes modules of real objects for a stock kernel. What runs side by side in
// that is the business of the packages that do it, so that short runs, as those with
// the race detector are, leave it out.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("makes modules for a kernel")
	}
	k := vmtest.Need(t, "6.1")
	tree := kbuild.Need(t, k)
	image, err := k.Vmlinux(vmtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	symvers, err := k.Symvers(vmtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	compileEdits := func(file string, edits ...kbuild.Edit) string {
		t.Helper()
		path, err := tree.Compile(t.Context(), file, edits...)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	compileFile := func(file, old, text string) string {
		t.Helper()
		return compileEdits(file, kbuild.Edit{Old: old, New: text})
	}
	compile := func(old, text string) string { return compileFile("fs/proc/cmdline.c", old, text) }
	vlan, err := k.ModulePath("8021q")
	if err != nil {
		t.Fatal(err)
	}
	const vlanFile, vlanText = "net/8021q/vlanproc.c", `"VLAN Dev name	 | VLAN ID\n"`
	vlanPre, vlanPost := compileFile(vlanFile, vlanText, vlanText), compileFile(vlanFile, vlanText, `"VLAN Dev name\n"`)
	pre := compile("seq_putc", "seq_putc")
	post := compile("seq_putc(m, '\\n');", `seq_puts(m, " patched\n");`)
	const hex, digits = "lib/hexdump.c", `hex_asc[] = "0123456789abcdef"`
	hexPre, hexPost := compileFile(hex, digits, digits), compileFile(hex, digits, `hex_asc[] = "0123456789ABCDEF"`)
	odd := compile("seq_putc(m, '\\n');", `{ static int n __section(".gosplice"); if (n++) seq_putc(m, '\n'); }`)
	// a function that another file defines has one more parameter
	const caller, header, prototype = "kernel/auditsc.c", "include/linux/mm.h", "int get_cmdline(struct task_struct *task, char *buffer, int buflen"
	wide := kbuild.Edit{Header: header, Old: prototype, New: prototype + ", int more"}
	callerPre := compileEdits(caller)
	callerPost := compileEdits(caller, wide, kbuild.Edit{Old: "get_cmdline(current, buf, MAX_PROCTITLE_AUDIT_LEN", New: "get_cmdline(current, buf, MAX_PROCTITLE_AUDIT_LEN, 1"})
	plainPre, plainPost := withoutDebug(t, pre), withoutDebug(t, post)
	init := compile(`proc_create_single("cmdline", 0,`, `proc_create_single("cmdline", 0400,`)
	keyFile, certFile := writeKey(t)
	ko := filepath.Join(t.TempDir(), "fix.ko")
	for _, c := range []struct {
		name   string
		args   []string
		status int
		says   string
		writes bool
	}{
		{"made", []string{"-symvers", symvers, pre, post}, exitMade, "replaces cmdline_proc_show", true},
		{"dry", []string{"-dry-run", pre, post}, exitMade, "nothing written", false},
		{"same", []string{pre, pre}, exitNoChange, "no change", false},
		{"init only", []string{pre, init}, exitNoChange, "init-code", false},
		{"refused", []string{pre, odd}, exitRefused, "refused section", false},
		{"missing", []string{pre, "missing.o"}, exitError, "", false},
		{"no kernel", []string{"-run", pre, pre, post}, exitError, "", false},
		{"module", []string{"-target", "8021q=" + vlan, vlanPre, vlanPost, pre, post}, exitMade, "replaces vlan_seq_show in 8021q", true},
		{"module by name", []string{"-target", "8021q=" + vlan, "8021q:" + vlanPre, vlanPost}, exitMade, "vlanproc.o of 8021q", true},
		{"no module", []string{vlanPre, vlanPost}, exitRefused, "refused not-matched", false},
		{"wrong module", []string{"-target", "8021q=" + vlan, "8021q:" + pre, post}, exitRefused, "refused not-matched", false},
		{"wrong name", []string{"-target", "zram=" + vlan, pre, post}, exitError, "", false},
		{"signed", []string{"-key", keyFile, "-cert", certFile, pre, post}, exitMade, "bytes, signed", true},
		{"no key", []string{"-key", certFile, "-cert", certFile, pre, post}, exitError, "", false},
		{"in place", []string{"-in-place", hexPre, hexPost}, exitMade, "overwrites hex_asc", true},
		{"not in place", []string{hexPre, hexPost}, exitRefused, "judge const-shared", false},
		{"signature", []string{callerPre, callerPost}, exitRefused, "judge type-signature: get_cmdline: parameter 4 added: int", false},
		{"signature, other accepted", []string{"-accept", "type-signature:get_task_comm", callerPre, callerPost}, exitRefused, "judge type-signature", false},
		{"others not given", []string{"-accept", "type-signature:get_cmdline", callerPre, callerPost}, exitRefused, "judge not-given: get_cmdline: it is defined in mm/util.c", false},
		{"others in JSON", []string{"-json", callerPre, callerPost}, exitRefused, `"kstrdup_quotable_cmdline (lib/string_helpers.c)"`, false},
		{"signature accepted", []string{"-accept", "type-signature:get_cmdline,not-given:get_cmdline", callerPre, callerPost}, exitMade, "used by audit_log_exit [accepted]", true},
		{"no debug information", []string{plainPre, plainPost}, exitMade, "carried no-types", true},
		{"json", []string{"-json", pre, post}, exitMade, `"by": "anchor"`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			os.Remove(ko)
			status, out, errs := tool.Try(t.Context(), run, append([]string{"-run", image, "-name", "fix", "-o", ko}, c.args...)...)
			if status != c.status || (errs != "") != (status == exitError) || !strings.Contains(out, c.says) {
				t.Errorf("status %d, %s, want %d and %q in\n%s", status, errs, c.status, c.says, out)
			}
			if _, err := os.Stat(ko); (err == nil) != c.writes {
				t.Errorf("module: %v, want it there: %v", err, c.writes)
			}
			if slices.Contains(c.args, "-json") && !json.Valid([]byte(out)) {
				t.Errorf("no JSON: %s", out)
			}
		})
	}
}

// writeKey makes a key and its certificate.
func writeKey(t *testing.T) (key, cert string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	key, cert = filepath.Join(t.TempDir(), "key.pem"), filepath.Join(t.TempDir(), "cert.der")
	for path, b := range map[string][]byte{key: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), cert: der} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key, cert
}

// withoutDebug returns an object without debug information.
func withoutDebug(t *testing.T, path string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(path))
	if b, err := exec.Command("objcopy", "--strip-debug", path, out).CombinedOutput(); err != nil {
		t.Fatalf("objcopy: %v: %s", err, b)
	}
	return out
}
