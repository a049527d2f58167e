package elfdiff_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestCorpusObjtool asks the kernel's own "objtool klp diff", which tells functions apart by
// checksums of their instructions, which of real kernel patches are changed. What it calls changed,
// and Compare the same, differs by a line alone, or not at all to objdump: objtool takes a name with a
// counter in it for another one. It says nothing of functions behind data that has changed, which ends it, and
// of those that have the change by what they call or read.
func TestCorpusObjtool(t *testing.T) {
	tool := testenv.NeedValues(t, "compares with objtool", testenv.Objtool)[0]
	testenv.Need(t, "objdump")
	for _, c := range corpora(t) {
		n := map[string]int{}
		for _, p := range c.pairs(t, "pre", "post", *sample) {
			held, ok := objtoolChanged(t, tool, p)
			if !ok {
				n["pairs that objtool does not read"]++
				continue
			}
			d := compareTables(t, p)
			n["pairs"]++
			n["changed, says objtool"] += len(held)
			var o *[2]*oracle
			for i := range d.Functions {
				ch := &d.Functions[i]
				if !slices.Contains(held, ch.Name) {
					if ch.Status == verdict.Changed {
						n["changed here alone"]++
					}
					continue
				}
				switch {
				case ch.Status == verdict.Changed:
					n["both"]++
				case ch.Status == verdict.Same && slices.ContainsFunc(ch.Incidental, func(r verdict.Reason) bool { return r.Code == verdict.ReasonLine }):
					n["a line"]++
				case ch.Status == verdict.Same && ch.Kind == object.Func:
					if o == nil {
						o = &[2]*oracle{newOracle(t, p.pre), newOracle(t, p.post)}
					}
					if reallyChanged(d, ch, *o) {
						t.Errorf("%s: %s is changed, says objtool, and here it is the same", p.post, ch.Name)
					}
					n["the same to objdump"]++
				default:
					t.Errorf("%s: %s is changed, says objtool, and here it is %v", p.post, ch.Name, ch.Status)
				}
			}
		}
		t.Logf("%s: %v", c.name, n)
	}
}

var klpChanged = regexp.MustCompile(`changed function: (\S+)`)

// objtoolChanged returns the functions that objtool calls changed. It writes into copies of the
// objects, and wants a list of exports, of which none matter to what has changed.
func objtoolChanged(t *testing.T, tool string, p pair) (names []string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	run := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), tool, append([]string{"klp"}, args...)...)
		cmd.Dir = dir
		return cmd.CombinedOutput()
	}
	if err := os.WriteFile(filepath.Join(dir, "Module.symvers"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"pre.o": p.pre, "post.o": p.post} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if said, err := run("checksum", name); err != nil {
			t.Logf("%s: %v: %.200s", path, err, said)
			return nil, false
		}
	}
	said, _ := run("diff", "pre.o", "post.o", "out.o") // it fails for want of annotations, once it has said what has changed
	for _, m := range klpChanged.FindAllSubmatch(said, -1) {
		names = append(names, string(m[1]))
	}
	return names, true
}
