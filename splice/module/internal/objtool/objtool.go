// Package objtool runs objtool of the kernel on objects, as the build of modules does.
package objtool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// flagsOf are what the kernel's build has objtool do with the objects of a
// module (scripts/Makefile.lib of Linux 6.1 and 6.12), each with the table in
// the image that tells that the build wanted it.
var flagsOf = []struct {
	flags []string
	table string // a section of vmlinux; "" means always
}{
	{[]string{"--hacks=jump_label", "--hacks=noinstr", "--orc", "--static-call", "--uaccess", "--sls", "--link", "--module"}, ""},
	{[]string{"--retpoline"}, kerneltab.RetpolineSites},
	{[]string{"--rethunk"}, kerneltab.ReturnSites},
	{[]string{"--ibt"}, kerneltab.EndbrSeal},
	{[]string{"--hacks=skylake"}, kerneltab.CallSites},
}

// Run runs the tool on a copy of an object, and returns the path of the copy, in the
// folder dir.
func Run(ctx context.Context, tool, object, dir string, args []string) (string, error) {
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
	cmd := exec.CommandContext(ctx, tool, append(slices.Clone(args), out.Name())...)
	child.EndTogether(cmd)
	cmd.Env = append(os.Environ(), "SRCARCH=x86")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %s: %w: %s", object, cmd, err, said[max(0, len(said)-1000):])
	}
	return out.Name(), nil
}

// Args returns what the build of a kernel gives to the tool.
func Args(k *kernel.Image) []string {
	var args []string
	for _, row := range flagsOf {
		if row.table == "" || k.Has(row.table) {
			args = append(args, row.flags...)
		}
	}
	if n := k.Padding(); n > 0 {
		args = append(args, "--prefix="+strconv.Itoa(n))
	}
	return args
}
