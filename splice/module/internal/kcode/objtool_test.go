package kcode

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
)

// complaints are what objtool may say: .eh_frame is not in a kernel, and return.S is for
// kernels without return thunks.
var complaints = regexp.MustCompile(`\.eh_frame\+0x[0-9a-f]+: data relocation to !ENDBR|__x86_return_thunk\+0x0: 'naked' return found`)

// TestObjtool shows the objects to the kernel's own objtool: it finds no fault with them,
// and computes the same frames and places of returns.
func TestObjtool(t *testing.T) {
	for _, series := range []string{"6.1", "6.12"} {
		tool, err := vmtest.Need(t, series).Objtool(vmtest.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Fields("--hacks=jump_label --hacks=noinstr --orc --static-call --uaccess --sls --link --module --retpoline --rethunk")
		if series != "6.1" {
			args = append(args, "--ibt")
		}
		for _, name := range names(t) {
			spec, err := Object(name)
			if err != nil {
				t.Fatal(err)
			}
			path := write(t, name, spec)
			out, err := exec.CommandContext(t.Context(), tool, append(args, path)...).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for line := range strings.Lines(string(out)) {
				if !complaints.MatchString(line) {
					t.Errorf("objtool of %s: %s", series, line)
				}
			}
			compareFrames(t, tool, path, spec)
			compareReturns(t, path, spec)
		}
	}
}

func write(t *testing.T, name string, spec *elfobj.Spec) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name+".o"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := spec.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// dumped is a row as objtool shows it.
var dumped = regexp.MustCompile(`(?m)^\.text\+([0-9a-f]+):.*\bsp:(\S+) bp:(\S+)`)

// compareFrames compares what holds at each byte, but for where objtool says nothing:
// between functions, and where nothing runs.
func compareFrames(t *testing.T, tool, path string, spec *elfobj.Spec) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool, "--dump=orc", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[uint64]string{}
	for _, m := range dumped.FindAllStringSubmatch(string(out), -1) {
		off, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		theirs[off] = m[2] + " " + m[3]
	}
	list, err := Unwind(spec)
	if err != nil {
		t.Fatal(err)
	}
	ours := map[uint64]string{}
	for _, r := range list {
		base, saved := [...]string{"(und)", "sp", "bp"}[r.Base], "(und)"
		if r.Base != NoBase {
			base += fmt.Sprintf("%+d", r.Frame)
		}
		if r.SavedBP != 0 {
			saved = fmt.Sprintf("prevsp%+d", r.SavedBP)
		}
		ours[r.Offset] = base + " " + saved
	}
	const nothing = "(und) (und)"
	us, them := nothing, nothing
	for off := range uint64(len(section(spec, ".text").Data)) {
		if s, ok := ours[off]; ok {
			us = s
		}
		if s, ok := theirs[off]; ok {
			them = s
		}
		if us != them && them != nothing {
			t.Errorf("%s+%#x: objtool has %s, and not %s", filepath.Base(path), off, them, us)
		}
	}
}

// compareReturns counts the returns, see package module.
func compareReturns(t *testing.T, path string, spec *elfobj.Spec) {
	t.Helper()
	f, err := elfobj.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	theirs, ours := uint64(0), uint64(0)
	for s := range f.SectionsNamed(".return_sites") {
		theirs = s.Size / 4
	}
	for _, r := range section(spec, ".rela.text").Relas {
		if spec.Symbols[r.Sym].Name == "__x86_return_thunk" {
			ours++
		}
	}
	if ours != theirs {
		t.Errorf("%s: objtool sees %d returns, not %d", filepath.Base(path), theirs, ours)
	}
}
