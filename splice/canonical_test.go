package splice_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice"
)

// elsewhere copies the files to another folder, under other names.
func (f files) elsewhere(t *testing.T) files {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "quite", "another")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out := files{filepath.Join(dir, "store"), filepath.Join(dir, "a.o"), filepath.Join(dir, "b.o")}
	for from, to := range map[string]string{f.image: out.image, f.pre: out.pre, f.post: out.post} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func (f files) mustBuild(t *testing.T) *splice.Update {
	t.Helper()
	u, err := f.build(t, openELF(t, f.image))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestID builds one update from files in two folders under different names, and
// others that do something else.
func TestID(t *testing.T) {
	f := compile(t, "-g", "-Wl,--build-id")
	u, again := f.mustBuild(t), f.elsewhere(t).mustBuild(t)
	if u.ID() != again.ID() {
		t.Error("the ID depends on paths")
	}
	again.Objects[0].Redirects[0].By = "another way"
	again.Accepted = []elfdiff.Finding{elfdiff.NewFinding(elfdiff.CodeConstShared, "ops", "looked at")}
	again.Fixes = []string{"CVE-2026-0001"}
	if u.ID() != again.ID() {
		t.Error("the ID depends on what the update does not do")
	}
	var form bytes.Buffer
	if err := u.WriteCanonical(&form); err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(form.Bytes()); hex.EncodeToString(sum[:]) != u.ID() {
		t.Error("the ID is not the digest of the canonical form")
	}
	for _, path := range []string{filepath.Dir(f.pre), "pre.o"} {
		if strings.Contains(form.String(), path) {
			t.Errorf("%s is in the canonical form", path)
		}
	}
	for what, change := range map[string]func(u *splice.Update){
		"a byte of the code": func(u *splice.Update) { u.Objects[0].ELF[0x40] ^= 1 },
		"what is replaced":   func(u *splice.Update) { u.Objects[0].Redirects[0].Old[0].Addr++ },
		"the old code":       func(u *splice.Update) { u.Objects[0].Redirects[0].Old[0].Bytes[0] ^= 1 },
		"the file":           func(u *splice.Update) { u.Modules[0].BuildID = "00" },
		"the entries":        func(u *splice.Update) { u.Objects[0].Redirects[0].Entries = []uint64{1} },
		"the name":           func(u *splice.Update) { u.Name = "another" },
		"the format":         func(u *splice.Update) { u.Format++ },
	} {
		other := f.mustBuild(t)
		if change(other); other.ID() == u.ID() {
			t.Errorf("the ID does not depend on %s", what)
		}
	}
}

// TestModuleWithoutBuildID is known by its name.
func TestModuleWithoutBuildID(t *testing.T) {
	f := compile(t, "-Wl,--build-id=none")
	if f.mustBuild(t).ID() == f.elsewhere(t).mustBuild(t).ID() {
		t.Error("programs of different names and no build-id are one")
	}
}

// TestStoredID reads an update whose file was changed.
func TestStoredID(t *testing.T) {
	u := compile(t).mustBuild(t)
	stored := text(t, u)
	if !strings.Contains(stored, `"id": "`+u.ID()+`"`) {
		t.Error("the file does not have the ID")
	}
	for name, c := range map[string]struct {
		old, new string
		want     error
	}{
		"another name":       {`"name": "shop"`, `"name": "shed"`, splice.ErrUpdateDamaged},
		"another way":        {`"by": "symbol"`, `"by": "search"`, nil},
		"another ID":         {u.ID(), strings.Repeat("0", 64), splice.ErrUpdateDamaged},
		"another function":   {`"function": "price"`, `"function": "prize"`, splice.ErrUpdateDamaged},
		"the ID was removed": {`"id": "` + u.ID() + `",`, ``, nil},
	} {
		if !strings.Contains(stored, c.old) {
			t.Fatalf("%s: no %s", name, c.old)
		}
		back, err := splice.ReadUpdate(strings.NewReader(strings.Replace(stored, c.old, c.new, 1)))
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || err == nil && back.ID() != u.ID() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOneRefused has the same sentinel in both packages.
func TestOneRefused(t *testing.T) {
	if splice.ErrRefused != elfdiff.ErrRefused {
		t.Error("two sentinels")
	}
	err := error(splice.Refuse(splice.CodeTooShort, "f", "", 0, "no room"))
	if !errors.Is(err, splice.CodeTooShort) || errors.Is(err, splice.CodeMoved) || !errors.Is(err, elfdiff.ErrRefused) {
		t.Error(err)
	}
	err = &elfdiff.RefusedError{Refusals: []elfdiff.Refusal{{Finding: elfdiff.Finding{Code: elfdiff.CodeTLSChanged}}}}
	if !errors.Is(err, elfdiff.CodeTLSChanged) || errors.Is(err, elfdiff.CodeOpaqueCode) || !errors.Is(err, splice.ErrRefused) {
		t.Error(err)
	}
}
