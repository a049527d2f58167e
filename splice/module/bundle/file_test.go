package bundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

func example() *Bundle {
	return &Bundle{
		Schema: Schema, Terms: Terms{Name: "fix", Accept: []Accepted{{"const-shared", "x", "a <reason>"}}},
		Made: Made{Release: "6.1.0", BuildID: "01", CRCs: map[string]uint32{"b": 2, "a": 1}, Functions: map[string]string{}},
		Objects: []Object{
			{Name: "a.o", Parts: []Part{{"", "01"}}, Verdicts: []Verdict{{"f", "function", "changed"}}, Words: &Words{Uses: map[string][]string{"x": {"f"}}}, Pre: []byte("pre"), Post: []byte("post")},
			{Name: "b.o", Parts: []Part{{"m", "02"}}, Pre: []byte{}, Post: bytes.Repeat([]byte{0}, 1000)},
		},
	}
}

func fileOf(t testing.TB, b *Bundle) []byte {
	t.Helper()
	var w bytes.Buffer
	if n, err := b.WriteTo(&w); err != nil || n != int64(w.Len()) {
		t.Fatal(n, err)
	}
	return w.Bytes()
}

func TestFile(t *testing.T) {
	file := fileOf(t, example())
	b, err := Read(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), b); diff != "" {
		t.Error(diff)
	}
	if again := fileOf(t, b); !bytes.Equal(again, file) {
		t.Error("it is written otherwise again")
	}
	id, err := b.ID()
	if first, _ := example().ID(); err != nil || id != first || len(id) != 64 {
		t.Errorf("%s, %v", id, err)
	}
}

// TestDamaged: every bit and every length of a file matters.
func TestDamaged(t *testing.T) {
	file := fileOf(t, example())
	for i := range file {
		for _, bad := range [][]byte{file[:i], flipped(file, i)} {
			if b, err := Read(bytes.NewReader(bad)); !errors.Is(err, ErrFormat) {
				// A frame of zstd may say the same in two ways.
				if err != nil || cmp.Diff(example(), b) != "" {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
		}
	}
}

func flipped(b []byte, i int) []byte {
	out := slices.Clone(b)
	out[i] ^= 1 << (i % 8)
	return out
}

// seal makes a file of a content that WriteTo would not write.
func seal(t testing.TB, content []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	sum := digest(content)
	return z.EncodeAll(content, append(binary.LittleEndian.AppendUint32([]byte(magic), version), sum[:]...))
}

// TestOneForm: what is not in the form that it has is refused.
func TestOneForm(t *testing.T) {
	content, err := example().content()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(seal(t, content))); err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) []byte { return []byte(strings.Replace(string(content), old, new, 1)) }
	for name, bad := range map[string][]byte{
		"empty": {}, "no line": []byte("{}"), "null": []byte("null\n"), "nothing": []byte("{}\n"), "schema": replace(`"schema":1`, `"schema":2`),
		"blank": replace(`,"terms"`, ` ,"terms"`), "order": replace(`"a":1,"b":2`, `"b":2,"a":1`), "unknown": replace(`{"schema"`, `{"more":1,"schema"`),
		"twice": replace(`"name":"fix"`, `"name":"x","name":"fix"`), "case": replace(`"terms"`, `"Terms"`), "longer": append(slices.Clone(content), 0),
		"shorter": content[:len(content)-1], "size": replace(`"sizes":[[3,4],[0,1000]]`, `"sizes":[[3,-4],[0,1008]]`), "sizes": replace(`[3,4],`, ``),
		"huge": replace(`[3,4]`, `[3,9223372036854775807]`), "escaped": replace(`fix`, `\u0066ix`), "second value": replace(`]}`+"\n", `]} {}`+"\n"),
	} {
		if b, err := Read(bytes.NewReader(seal(t, bad))); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, %v", name, b, err)
		}
	}
	old := fileOf(t, example())
	old[len(magic)]++
	if _, err := Read(bytes.NewReader(old)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "form is 2") {
		t.Errorf("another version: %v", err)
	}
}

// TestBomb: what is packed beyond all measure takes no memory.
func TestBomb(t *testing.T) {
	file := seal(t, make([]byte, 32<<20))
	testenv.Bounded(t, len(file), func() {
		if _, err := Read(bytes.NewReader(file)); !errors.Is(err, ErrFormat) {
			t.Error(err)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(fileOf(f, example()))
	f.Add(seal(f, []byte("{}\n")))
	f.Fuzz(func(t *testing.T, file []byte) {
		testenv.Bounded(t, len(file), func() {
			b, err := Read(bytes.NewReader(file))
			if err != nil {
				if !errors.Is(err, ErrFormat) {
					t.Error(err)
				}
				return
			}
			again, err := Read(bytes.NewReader(fileOf(t, b)))
			if err != nil || cmp.Diff(b, again) != "" {
				t.Errorf("%v", err)
			}
		})
	})
}

func FuzzItems(f *testing.F) {
	f.Add([]byte("int f(void)\n{\n#ifdef X\n\treturn *p->x;\n#endif\n}\n"))
	f.Add([]byte("int f\n#en)->x;\n")) // nothing ends what a directive has
	f.Fuzz(func(t *testing.T, text []byte) {
		list, _ := itemsOf(text)
		for i := range list {
			if x := &list[i]; x.start < 1 || x.end < x.start || len(x.text) == 0 {
				t.Errorf("%+v", x)
			}
		}
	})
}
