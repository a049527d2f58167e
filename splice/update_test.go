package splice_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// files are a program and the objects of a change to it.
type files struct{ image, pre, post string }

// compile builds a program of which testdata/shop.c is a part.
func compile(t testing.TB, flags ...string) files {
	t.Helper()
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	f := files{filepath.Join(dir, "shop"), filepath.Join(dir, "pre.o"), filepath.Join(dir, "post.o")}
	gcc := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("gcc", append(args, flags...)...).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
	}
	gcc("-O2", "-c", "-o", f.pre, "testdata/shop.c")
	gcc("-O2", "-c", "-DPATCHED", "-o", f.post, "testdata/shop.c")
	gcc("-o", f.image, f.pre)
	return f
}

// build makes the update for an image.
func (f files) build(t testing.TB, img *image.Image) (*splice.Update, error) {
	t.Helper()
	pre, err1 := elfdiff.Open(f.pre)
	post, err2 := elfdiff.Open(f.post)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	d, err1 := elfdiff.Compare(pre, post, elfdiff.Options{})
	m, err2 := reloc.Match(context.Background(), pre, img, reloc.Options{})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return splice.Build("shop", splice.Part{Diff: d, Match: m, Image: img})
}

func openELF(t testing.TB, path string) *image.Image {
	t.Helper()
	img, err := image.OpenELF(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

func text(t testing.TB, u *splice.Update) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := u.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBuild builds an update from files, twice, and takes it through JSON.
func TestBuild(t *testing.T) {
	f := compile(t)
	u, err := f.build(t, openELF(t, f.image))
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.build(t, openELF(t, f.image))
	if err != nil {
		t.Fatal(err)
	}
	first := text(t, u)
	if first != text(t, again) || u.ID() != again.ID() {
		t.Error("two updates of the same files differ")
	}
	if u.Redirects() != 1 || u.Objects[0].Redirects[0].Function != "price" || len(u.Objects[0].Redirects[0].Old[0].Bytes) == 0 {
		t.Errorf("%+v", u.Objects[0].Redirects)
	}
	back, err := splice.ReadUpdate(strings.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u, back); diff != "" || back.ID() != u.ID() {
		t.Error(diff)
	}
	if _, err := splice.NewLinker(back); err != nil {
		t.Error(err)
	}
}

// TestBuildRefused builds an update for another program.
func TestBuildRefused(t *testing.T) {
	f := compile(t)
	other := compile(t, "-O0")
	_, err := f.build(t, openELF(t, other.image))
	var r *splice.Refusal
	if !errors.As(err, &r) || r.Code != splice.CodeNotMatched || r.Hint == "" {
		t.Errorf("%v", err)
	}
}

// TestReadUpdate reads what WriteTo did not write.
func TestReadUpdate(t *testing.T) {
	const place = `{"module":0,"addr":4096,"bytes":"AAAA"}`
	for name, in := range map[string]string{
		"empty":             ``,
		"null":              `null`,
		"not an object":     `[]`,
		"other format":      `{"format":3}`,
		"unknown field":     `{"format":1,"extra":1}`,
		"trailing text":     `{"format":1} {"format":1}`,
		"no such module":    `{"format":1,"objects":[{"redirects":[{"old":[` + place + `]}]}]}`,
		"negative module":   `{"format":1,"objects":[{"imports":[{"address":{"module":-1,"addr":0}}]}]}`,
		"no old code":       `{"format":1,"objects":[{"redirects":[{"old":[]}]}]}`,
		"empty old code":    `{"format":1,"modules":[{}],"objects":[{"redirects":[{"old":[{"module":0,"addr":1}]}]}]}`,
		"old code wraps":    `{"format":1,"modules":[{}],"objects":[{"redirects":[{"old":[{"module":0,"addr":18446744073709551615,"bytes":"AAAA"}]}]}]}`,
		"shared code":       `{"format":1,"modules":[{}],"objects":[{"redirects":[{"old":[` + place + `]},{"old":[` + place + `]}]}]}`,
		"two modules":       `{"format":1,"modules":[{},{}],"objects":[{"redirects":[{"old":[` + place + `,{"module":1,"addr":1,"bytes":"AAAA"}]}]}]}`,
		"padding, format":   `{"format":1,"modules":[{}],"objects":[{"redirects":[{"old":[` + place + `],"pads":[{"module":0,"addr":4080,"bytes":"zMzMzMzM"}]}]}]}`,
		"padding is code":   `{"format":2,"modules":[{}],"objects":[{"redirects":[{"old":[` + place + `],"pads":[{"module":0,"addr":4080,"bytes":"w8PDw8PD"}]}]}]}`,
		"padding far away":  `{"format":2,"modules":[{}],"objects":[{"redirects":[{"old":[` + place + `],"pads":[{"module":0,"addr":80,"bytes":"zMzMzMzM"}]}]}]}`,
		"padding elsewhere": `{"format":2,"modules":[{},{}],"objects":[{"redirects":[{"old":[` + place + `],"pads":[{"module":1,"addr":4080,"bytes":"zMzMzMzM"}]}]}]}`,
		"padding inside":    `{"format":2,"modules":[{}],"objects":[{"redirects":[{"old":[` + place + `],"pads":[{"module":0,"addr":4095,"bytes":"zMzMzMzM"}]}]}]}`,
		"empty padding":     `{"format":2,"modules":[{}],"objects":[{"redirects":[{"old":[` + place + `],"pads":[{"module":0,"addr":4080}]}]}]}`,
		"symbol twice":      `{"format":1,"objects":[{"imports":[{"symbol":1},{"symbol":1}]}]}`,
		"number too large":  `{"format":1,"objects":[{"imports":[{"symbol":4294967296}]}]}`,
		"not base64":        `{"format":1,"objects":[{"elf":"!"}]}`,
		"address too large": `{"format":1,"modules":[{}],"objects":[{"imports":[{"address":{"addr":18446744073709551616}}]}]}`,
	} {
		if u, err := splice.ReadUpdate(strings.NewReader(in)); err == nil || u != nil {
			t.Errorf("%s: %v, %v", name, u, err)
		}
	}
}

// FuzzReadUpdate reads any bytes, and links what it takes.
func FuzzReadUpdate(f *testing.F) {
	f.Add([]byte(`{"format":1,"name":"n","modules":[{"name":"m"}],"objects":[{"name":"o","elf":"f0VMRg==","imports":[{"symbol":1,"name":"i","got":{"module":0,"addr":1}}],"redirects":[{"function":"f","symbol":1,"old":[{"module":0,"addr":4096,"bytes":"AAAA"}]}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := splice.ReadUpdate(bytes.NewReader(b))
		if err != nil {
			if u != nil {
				t.Fatal("both")
			}
			return
		}
		if back, err := splice.ReadUpdate(strings.NewReader(text(t, u))); err != nil || back.ID() != u.ID() {
			t.Fatalf("does not come back: %v", err)
		}
		splice.NewLinker(u)
	})
}

func BenchmarkBuild(b *testing.B) {
	f := compile(b)
	img := openELF(b, f.image)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.build(b, img); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleBuild() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return
	}
	defer os.RemoveAll(dir)
	exe, preName, postName := filepath.Join(dir, "shop"), filepath.Join(dir, "pre.o"), filepath.Join(dir, "post.o")
	for _, args := range [][]string{
		{"-c", "-o", preName, "testdata/shop.c"},
		{"-c", "-DPATCHED", "-o", postName, "testdata/shop.c"},
		{"-o", exe, preName},
	} {
		if exec.Command("gcc", append(args, "-O2")...).Run() != nil {
			fmt.Println("shop: replaces price") // there is no compiler
			return
		}
	}
	pre, _ := elfdiff.Open(preName)
	post, _ := elfdiff.Open(postName)
	diff, _ := elfdiff.Compare(pre, post, elfdiff.Options{})
	img, _ := image.OpenELF(exe)
	defer img.Close()
	match, _ := reloc.Match(context.Background(), pre, img, reloc.Options{})

	update, err := splice.Build("shop", splice.Part{Diff: diff, Match: match, Image: img})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range update.Objects[0].Redirects {
		fmt.Printf("%s: replaces %s\n", update.Name, r.Function)
	}
	// Output:
	// shop: replaces price
}
