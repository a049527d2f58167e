package patch

import (
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
)

// TestReverse applies random patches that create, delete, rename, copy and modify files, and
// their reverse: the tree is the base again. The form of Diff is read as the same patch.
func TestReverse(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(21, 0)), false}
	applied := map[Kind]int{}
	for range 3000 {
		base := files{}
		for _, name := range []string{"a", "d/b", "d/e/c"} {
			base[name] = strings.Join(g.text(20), "")
		}
		p := g.patch(base)
		tree := NewTree(base.fs())
		if tree.Apply(p) != nil {
			continue
		}
		changed := tree.Changed()
		if text := p.Diff(); len(text) > 0 {
			again, err := Read("again", strings.NewReader(string(text)))
			if err != nil || len(again) != 1 || string(again[0].Diff()) != string(text) || again[0].Digest != p.digest() {
				t.Fatalf("%v\n%s", err, text)
			}
			other := NewTree(base.fs())
			if err := other.Apply(again[0]); err != nil || !maps.EqualFunc(changed, other.Changed(), same) {
				t.Fatalf("%v\n%s", err, text)
			}
		}
		if err := tree.Apply(p.Reverse()); err != nil {
			t.Fatalf("%v\n%s%v", err, p.Diff(), sorted(base))
		}
		if left := tree.Changed(); len(left) > 0 || len(tree.Modes()) > 0 {
			t.Fatalf("%q %v\n%s", left, tree.Modes(), p.Diff())
		}
		for i := range p.Files {
			applied[p.Files[i].Kind]++
		}
	}
	t.Log(applied)
	for _, k := range []Kind{Modified, Created, Deleted, Renamed, Copied, Mode} {
		if applied[k] < 100 {
			t.Errorf("%s: %d", k, applied[k])
		}
	}
}

func same(a, b []byte) bool { return (a == nil) == (b == nil) && string(a) == string(b) }

// patch makes a patch of one or several files of a tree.
func (g generator) patch(base files) *Patch {
	p := &Patch{Name: "p", Strip: 1}
	for _, name := range []string{"a", "d/b", "d/e/c"} {
		lines := strings.SplitAfter(base[name], "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		f := File{Old: name, New: name, Kind: Modified}
		switch g.IntN(8) {
		case 0:
			f.Hunks = g.hunks(lines)
		case 1:
			f = File{New: name + ".new", Kind: Created, NewMode: 0o644, Hunks: whole(Add, g.text(9))}
		case 2:
			f = File{Old: name, Kind: Deleted, OldMode: 0o644, Hunks: whole(Remove, lines)}
		case 3:
			f.New, f.Kind, f.Hunks = name+".renamed", Renamed, g.hunks(lines)
		case 4:
			f.New, f.Kind, f.Hunks = "copies/of/"+name, Copied, g.hunks(lines)
		case 5:
			f.Kind, f.OldMode, f.NewMode = Mode, 0o644, 0o755
		default:
			continue
		}
		if f.Kind == Modified && len(f.Hunks) == 0 {
			continue
		}
		p.Files = append(p.Files, f)
	}
	return p
}

// whole is a hunk of a whole file.
func whole(op Op, lines []string) []Hunk {
	if len(lines) == 0 {
		return nil
	}
	h := Hunk{}
	for _, l := range lines {
		h.Lines = append(h.Lines, Line{op, l})
	}
	h.count()
	h.OldLine, h.NewLine = min(h.OldCount, 1), min(h.NewCount, 1)
	return []Hunk{h}
}

// TestReverseOfModes takes back what a patch says about modes.
func TestReverseOfModes(t *testing.T) {
	base := fstest.MapFS{"s": {Data: []byte("x\n"), Mode: 0o755}}
	patches, err := Read("p", strings.NewReader("diff --git a/s b/s\nold mode 100755\nnew mode 100644\n--- a/s\n+++ b/s\n@@ -1 +1 @@\n-x\n+y\ndiff --git a/n b/n\nnew file mode 100755\n"))
	if err != nil {
		t.Fatal(err)
	}
	tree := NewTree(base)
	if err := tree.Apply(patches[0]); err != nil {
		t.Fatal(err)
	}
	if m := tree.Modes(); len(m) != 2 || m["s"] != 0o644 || m["n"] != 0o755 {
		t.Errorf("%v", m)
	}
	if err := tree.Apply(patches[0].Reverse()); err != nil || len(tree.Changed())+len(tree.Modes()) > 0 {
		t.Errorf("%v, %v", tree.Modes(), err)
	}
}
