package module

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// objtoolFlags are what the kernel's build has objtool do with the objects of a
// module (scripts/Makefile.lib of Linux 6.1 and 6.12), each with the table in
// the image that tells that the build wanted it.
var objtoolFlags = []struct {
	flags []string
	table string // a section of vmlinux; "" means always
}{
	{[]string{"--hacks=jump_label", "--hacks=noinstr", "--orc", "--static-call", "--uaccess", "--sls", "--link", "--module"}, ""},
	{[]string{"--retpoline"}, kerneltab.RetpolineSites},
	{[]string{"--rethunk"}, kerneltab.ReturnSites},
	{[]string{"--ibt"}, kerneltab.EndbrSeal},
	{[]string{"--hacks=skylake"}, kerneltab.CallSites},
}

// Objtool runs the kernel's own objtool on a copy of an object, as the kernel's
// build does for objects of modules, and returns the path of the copy, in the
// folder dir. It is for builds that run objtool over the whole image only
// (CONFIG_X86_KERNEL_IBT, CONFIG_LTO): their objects lack the tables that the
// loader needs for the code, see [CodeNoObjtool].
func (k *Kernel) Objtool(ctx context.Context, tool, object, dir string) (string, error) {
	b, err := os.ReadFile(object)
	if err != nil {
		return "", err
	}
	out, err := os.CreateTemp(dir, strings.TrimSuffix(filepath.Base(object), ".o")+"-*.o")
	if err != nil {
		return "", err
	}
	_, err = out.Write(b)
	if err := errors.Join(err, out.Close()); err != nil {
		return "", err
	}
	args := k.objtoolArgs()
	cmd := exec.CommandContext(ctx, tool, append(args, out.Name())...)
	cmd.Env = append(os.Environ(), "SRCARCH=x86")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %s: %w: %s", object, cmd, err, said[max(0, len(said)-1000):])
	}
	return out.Name(), nil
}

func (k *Kernel) objtoolArgs() []string {
	var args []string
	for _, row := range objtoolFlags {
		if row.table == "" || k.image.Has(row.table) {
			args = append(args, row.flags...)
		}
	}
	if n := k.image.Padding(); n > 0 {
		args = append(args, "--prefix="+strconv.Itoa(n))
	}
	return args
}
