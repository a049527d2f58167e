//go:build linux

package store

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// TestAdd adds what is taken, and what is not.
func TestAdd(t *testing.T) {
	s, dir, k := newStore(t, Stacked)
	plain := update(t, "fix_a", here.Release, false)
	signed, stranger := k.sign(t, plain), newKey(t)
	damaged := bytes.Clone(signed)
	damaged[100] ^= 1
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	for _, c := range []struct {
		what string
		file []byte
		code error
	}{
		{"unsigned", plain, CodeUnsigned},
		{"another key, of the same name", stranger.sign(t, plain), CodeNotAccepted},
		{"another file", append(bytes.Clone(update(t, "fix_b", here.Release, false)), signed[len(plain):]...), CodeNotAccepted},
		{"damaged", damaged, CodeNotAccepted},
		{"cut off", cut(signed), CodeUnsigned},
		{"two signatures", stranger.sign(t, signed), CodeNotAccepted},
		{"no module", []byte("no module"), nil},
		{"good", signed, nil},
		{"twice", signed, CodeThere},
		{"another of its name", k.sign(t, append(bytes.Clone(plain), 0)), CodeThere},
		{"for another kernel", k.sign(t, update(t, "fix_a", "6.1.0-other", false)), nil},
	} {
		e, err := s.Add(t.Context(), c.file, nil)
		if c.code != nil && !errors.Is(err, c.code) || c.code == nil && (err == nil) != (e != nil) {
			t.Errorf("%s: %+v, %v, want %v", c.what, e, err, c.code)
		}
		if e != nil && (e.Signer != "release" || e.Name != "fix_a" || !e.Enabled || e.Cumulative) {
			t.Errorf("%s: %+v", c.what, e)
		}
	}
	if _, err := s.Remove(t.Context(), "fix_a"); !errors.Is(err, CodeSeveral) {
		t.Errorf("one of two: %v", err)
	}
	if _, err := s.Remove(t.Context(), digestOf(signed)[:minPrefix]); err != nil {
		t.Error(err)
	}
	if _, err := s.Remove(t.Context(), digestOf(signed)[:minPrefix]); !errors.Is(err, CodeNone) {
		t.Errorf("again: %v", err)
	}
	if e, err := s.Enable(t.Context(), "fix_a", false); err != nil || e.Release != "6.1.0-other" {
		t.Errorf("%+v, %v", e, err)
	}
	if _, r := boot(t, s, &Machine{Release: "6.1.0-other", Boot: "other"}); r.Updates[0].Did != Disabled {
		t.Errorf("%+v", r)
	}
	list, err := filepath.Glob(dir + "/updates/*")
	if err != nil || len(list) != 1 {
		t.Errorf("left: %q, %v", list, err)
	}
}

// TestPolicy changes what is accepted after updates were added.
func TestPolicy(t *testing.T) {
	s, _, k := newStore(t, Stacked)
	signed := k.sign(t, update(t, "fix_a", here.Release, false))
	if e := add(t, s, signed); e.Signer != "release" {
		t.Errorf("%+v", e)
	}
	set(t, s, func(p *Policy) { p.Signatures = Optional })
	add(t, s, update(t, "fix_b", here.Release, false))
	add(t, s, newKey(t).sign(t, update(t, "fix_c", here.Release, true)))
	wrong := map[string]func(p *Policy){
		"mode": func(p *Policy) { p.Mode = "any" }, "signatures": func(p *Policy) { p.Signatures = "" }, "seconds": func(p *Policy) { p.Seconds = 0 },
		"PEM": func(p *Policy) { p.Keys[0].Certificate = "x" }, "name": func(p *Policy) { p.Keys = append(p.Keys, p.Keys[0]) }, "version": func(p *Policy) { p.Schema = 2 },
	}
	for word, change := range wrong {
		if _, err := s.SetPolicy(t.Context(), func(p *Policy) error { change(p); return nil }); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
	boot(t, s, &here, "fix_a", "fix_b", "fix_c")
	check := func(change func(p *Policy), codes ...splice.Code) {
		t.Helper()
		set(t, s, change)
		l, err := s.List(t.Context(), &here)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range codes {
			if r := l.Updates[i].Refusal; want == "" && r != nil || want != "" && (r == nil || r.Code != want) {
				t.Errorf("%s: %v, want %q", l.Updates[i].Name, r, want)
			}
		}
	}
	check(func(p *Policy) {}, "", "", "")
	check(func(p *Policy) { p.Mode = Cumulative }, CodeNotCumulative, CodeNotCumulative, "")
	check(func(p *Policy) { p.Mode, p.Signatures = Stacked, Required }, "", CodeUnsigned, CodeNotAccepted)
	check(func(p *Policy) { p.Keys = nil }, CodeNotAccepted, CodeUnsigned, CodeNotAccepted)
	if _, err := s.Good(t.Context(), &here); err != nil {
		t.Fatal(err)
	}
	if _, r := boot(t, s, next("2")); r.Well() {
		t.Errorf("%+v", r)
	}
}

// TestBeside has openssl sign, in the ways that it does it by itself.
func TestBeside(t *testing.T) {
	testenv.Need(t, "openssl")
	s, dir, k := newStore(t, Stacked)
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := put("key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	cert := put("cert", []byte(k.accepted("").Certificate))
	for name, c := range map[string]struct {
		args string
		code splice.Code
	}{
		"usual": {"-nocerts -md sha256", ""}, "certs": {"-md sha384", ""}, "noattr": {"-noattr -nocerts -md sha512", ""},
		"short": {"-md sha1", CodeNotAccepted}, "inside": {"-md sha256 -nodetach", CodeNotAccepted},
	} {
		file := update(t, "fix_"+name, here.Release, false)
		path := put("fix.ko", file)
		args := append(strings.Fields("cms -sign -binary -outform DER -in "+path+" -signer "+cert+" -inkey "+key+" -out "+path+".p7s"), strings.Fields(c.args)...)
		if said, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, said)
		}
		sig, err := os.ReadFile(path + ".p7s")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Add(t.Context(), file, sig)
		wantCode(t, name, err, c.code)
		_, err = s.Add(t.Context(), append(file, 0), sig)
		if !errors.Is(err, CodeNotAccepted) {
			t.Errorf("%s of another file: %v", name, err)
		}
	}
	if list, err := filepath.Glob(dir + "/updates/*.p7s"); err != nil || len(list) != 3 {
		t.Errorf("%q, %v", list, err)
	}
	l, err := s.List(t.Context(), &here)
	if err != nil || len(l.Updates) != 3 {
		t.Fatalf("%+v, %v", l, err)
	}
	for i := range l.Updates {
		if it := &l.Updates[i]; it.Refusal != nil || !it.Beside || it.Signer != "release" {
			t.Errorf("%+v", it)
		}
	}
}

// TestHostile has others at work on a store.
func TestHostile(t *testing.T) {
	for _, c := range []struct {
		what string
		do   func(t *testing.T, dir, ko string) error
		code splice.Code
		item bool // it is about one update
	}{
		{"a link to the folder", func(t *testing.T, dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+"2"), os.Symlink(dir+"2", dir))
		}, CodeUnsafe, false},
		{"a folder that others write to", func(t *testing.T, dir, _ string) error { return os.Chmod(dir, 0o777) }, CodeUnsafe, false},
		{"one above it", func(t *testing.T, dir, _ string) error { return os.Chmod(filepath.Dir(dir), 0o777) }, CodeUnsafe, false},
		{"the folder of updates", func(t *testing.T, dir, _ string) error { return os.Chmod(dir+"/updates", 0o770) }, CodeUnsafe, true},
		{"a link to updates", func(t *testing.T, dir, _ string) error {
			return errors.Join(os.Rename(dir+"/updates", dir+"/u"), os.Symlink("u", dir+"/updates"))
		}, CodeUnsafe, true},
		{"an update that others write to", func(t *testing.T, _, ko string) error { return os.Chmod(ko, 0o606) }, CodeUnsafe, true},
		{"another name", func(t *testing.T, dir, ko string) error { return os.Link(ko, dir+"/x") }, CodeUnsafe, true},
		{"a link", func(t *testing.T, dir, ko string) error {
			return errors.Join(os.Rename(ko, dir+"/x"), os.Symlink("../x", ko))
		}, CodeUnsafe, true},
		{"a pipe", func(t *testing.T, _, ko string) error { return errors.Join(os.Remove(ko), syscall.Mkfifo(ko, 0o600)) }, CodeUnsafe, true},
		{"a folder in its place", func(t *testing.T, _, ko string) error { return errors.Join(os.Remove(ko), os.Mkdir(ko, 0o700)) }, CodeUnsafe, true},
		{"a huge file", func(t *testing.T, _, ko string) error { return os.Truncate(ko, 1<<40) }, CodeUnsafe, true},
		{"one byte", func(t *testing.T, _, ko string) error {
			b, err := os.ReadFile(ko)
			b[len(b)/2] ^= 4
			return errors.Join(err, os.WriteFile(ko, b, 0o600))
		}, CodeDamaged, true},
		{"gone", func(t *testing.T, _, ko string) error { return os.Remove(ko) }, CodeDamaged, true},
		{"half a policy", half("policy.json"), CodeDamaged, false},
		{"half an index", half("index.json"), CodeDamaged, false},
		{"an empty index", func(t *testing.T, dir, _ string) error { return os.Truncate(dir+"/index.json", 0) }, CodeDamaged, false},
		{"a policy of unknown words", edit("policy.json", `"mode"`, `"mood"`), CodeDamaged, false},
		{"a policy that others write to", func(t *testing.T, dir, _ string) error { return os.Chmod(dir+"/policy.json", 0o666) }, CodeUnsafe, false},
		{"a link for the policy", func(t *testing.T, dir, _ string) error {
			return errors.Join(os.Remove(dir+"/policy.json"), os.Symlink("/etc/passwd", dir+"/policy.json"))
		}, CodeUnsafe, false},
		{"a huge guard", func(t *testing.T, dir, _ string) error {
			return errors.Join(os.WriteFile(dir+"/guard.json", nil, 0o600), os.Truncate(dir+"/guard.json", 1<<40))
		}, CodeUnsafe, false},
		{"a guard of nothing", func(t *testing.T, dir, _ string) error {
			return os.WriteFile(dir+"/guard.json", []byte("{}"), 0o600)
		}, CodeDamaged, false},
		{"other facts", edit("index.json", `"name": "fix_a"`, `"name": "fix_b"`), CodeDamaged, true},
		{"a digest that is a path", edit("index.json", `"digest": "`, `"digest": "../../`), CodeDamaged, false},
	} {
		s, dir, k := newStore(t, Stacked)
		e := add(t, s, k.sign(t, update(t, "fix_a", here.Release, false)))
		if err := c.do(t, dir, filepath.Join(dir, e.file())); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		s, err := Open(dir)
		var l *Listing
		if err == nil {
			l, err = s.List(t.Context(), &here)
		}
		switch {
		case !c.item:
			wantCode(t, c.what, err, c.code)
		case err != nil || l.Updates[0].Refusal == nil || l.Updates[0].Refusal.Code != c.code:
			t.Errorf("%s: %+v, %v", c.what, l, err)
		}
		if s == nil {
			continue
		}
		k2 := &kernel{}
		if r, err := s.Boot(t.Context(), k2, &here, Options{}); k2.tried != nil || err == nil && r.Well() {
			t.Errorf("%s: it was loaded: %+v, %v", c.what, r, err)
		}
	}
}

func half(name string) func(t *testing.T, dir, ko string) error {
	return func(t *testing.T, dir, _ string) error {
		st, err := os.Stat(filepath.Join(dir, name))
		return errors.Join(err, os.Truncate(filepath.Join(dir, name), st.Size()/2))
	}
}

func edit(name, old, fresh string) func(t *testing.T, dir, ko string) error {
	return func(t *testing.T, dir, _ string) error {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if !bytes.Contains(b, []byte(old)) {
			t.Errorf("%s: %s", name, b)
		}
		return errors.Join(err, os.WriteFile(filepath.Join(dir, name), bytes.ReplaceAll(b, []byte(old), []byte(fresh)), 0o600))
	}
}

// TestOwner has a store of somebody else.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "it takes root to give files away")
	}
	for _, name := range []string{"", "policy.json", "updates"} {
		s, dir, k := newStore(t, Stacked)
		add(t, s, k.sign(t, update(t, "fix_a", here.Release, false)))
		if err := os.Chown(filepath.Join(dir, name), 1000, 1000); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir)
		if err == nil {
			_, err = s.Add(t.Context(), k.sign(t, update(t, "fix_b", here.Release, false)), nil)
		}
		wantCode(t, name, err, CodeUnsafe)
	}
	if _, err := Open(t.TempDir() + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

// TestRepair has a policy that is damaged replaced.
func TestRepair(t *testing.T) {
	s, dir, k := newStore(t, Stacked)
	if err := half("policy.json")(t, dir, ""); err != nil {
		t.Fatal(err)
	}
	set(t, s, func(p *Policy) { p.Keys = append(p.Keys, k.accepted("again")) })
	if p, err := s.Policy(t.Context()); err != nil || len(p.Keys) != 1 || p.Signatures != Required {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestLock has many change a store at the same time, and one who does not come to its end.
func TestLock(t *testing.T) {
	s, dir, k := newStore(t, Stacked)
	var wait sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		file := k.sign(t, update(t, "fix_"+name, here.Release, false))
		wait.Go(func() {
			mine, err := Open(dir)
			if err == nil {
				_, err = mine.Add(t.Context(), file, nil)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	l, err := s.List(t.Context(), &here)
	if err != nil || len(l.Updates) != 6 {
		t.Fatalf("%+v, %v", l, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	k2 := &kernel{during: func(string) { // while a boot is under way
		_, err := s.List(ctx, &here)
		wantCode(t, "list", err, CodeLocked)
	}}
	if _, err := s.Boot(t.Context(), k2, &here, Options{}); err != nil || len(k2.list) != 6 {
		t.Errorf("%v, %v", k2.names(), err)
	}
}

// TestNoModule has files that are none.
func TestNoModule(t *testing.T) {
	s, _, _ := newStore(t, Stacked)
	set(t, s, func(p *Policy) { p.Signatures = Optional })
	plain := update(t, "fix_a", here.Release, false)
	_, err := s.Add(t.Context(), bytes.Replace(plain, []byte("livepatch=Y"), []byte("livepitch=Y"), 1), nil)
	if !errors.Is(err, module.ErrNotModule) {
		t.Errorf("%v", err)
	}
	if err := s.Order(t.Context(), "fix_a"); !errors.Is(err, CodeNone) {
		t.Errorf("%v", err)
	}
	add(t, s, plain)
	if err := s.Order(t.Context(), "fix_a", "fix_a"); err == nil {
		t.Error("it was named twice")
	}
}

// FuzzSignature reads signatures of anybody.
func FuzzSignature(f *testing.F) {
	k, file := newKey(f), []byte("content")
	signed := k.sign(f, file)
	f.Add(signed[len(file):len(signed)-40], file)
	p := DefaultPolicy()
	p.Keys = []Key{k.accepted("a"), newKey(f).accepted("b")}
	f.Fuzz(func(t *testing.T, sig, content []byte) {
		if name, err := p.verify(content, sig); err == nil && !bytes.Equal(content, file) {
			t.Errorf("%q verifies by %s", content, name)
		}
	})
}
