package running

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice"
)

// The notes that the kernel shows of itself and of a module.
const (
	buildIDNote = kerneltab.BuildIDNote
	kernelNote  = kerneltab.UpdateNote
	ntBuildID   = 3 // NT_GNU_BUILD_ID
)

// Status lists the modules of package module that the kernel has, in the order in which they
// were loaded. Of their functions it lists those that livepatch itself replaces.
func (k *Kernel) Status(ctx context.Context) ([]splice.Report, error) {
	list, err := k.modules(ctx, func(name, _ string) (*splice.Report, error) {
		if !k.isOurs(name) {
			return nil, nil
		}
		return k.report(name)
	})
	if err != nil {
		return nil, fmt.Errorf("status of the kernel: %w", err)
	}
	return list, nil
}

// isOurs reports whether the kernel has a module of package module.
func (k *Kernel) isOurs(name string) bool {
	_, err := os.Stat(k.path("sys/module", name, "notes", kernelNote))
	return err == nil
}

// modules lists what is to be said of modules, by their names and lines of /proc/modules, in the
// order in which they were loaded. Those that report says nothing of are left out, and those that
// are removed meanwhile.
func (k *Kernel) modules(ctx context.Context, report func(name, line string) (*splice.Report, error)) ([]splice.Report, error) {
	text, err := os.ReadFile(k.path("proc/modules"))
	if err != nil {
		return nil, explain("", err)
	}
	list := []splice.Report{}
	for line := range strings.Lines(string(text)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(line, " ")
		if !isName(name) {
			continue
		}
		r, err := report(name, line)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return nil, err
		case r != nil:
			place(r, line)
			list = append(list, *r)
		}
	}
	slices.Reverse(list) // the kernel lists the newest first (kernel/module/main.c, add_unformed_module)
	return list, nil
}

// report says what the kernel shows of a module.
func (k *Kernel) report(name string) (*splice.Report, error) {
	note, err := os.ReadFile(k.path("sys/module", name, "notes", buildIDNote))
	if err != nil {
		return nil, err
	}
	r := &splice.Report{Schema: splice.ReportSchema, Name: name, ID: noteID(note), Redirects: k.redirects(name)}
	k.state(r)
	return r, nil
}

// state says what livepatch has of a module.
func (k *Kernel) state(r *splice.Report) {
	switch {
	case k.isPlain(r.Name):
		k.plainState(r)
	case k.read(livepatch, r.Name, "enabled") == "":
		r.State, r.Kept = splice.Kept, "it is disabled, and loaded"
	case k.read(livepatch, r.Name, "transition") == "1":
		r.State = splice.Transition
	default:
		r.State = splice.Applied
	}
}

// redirects lists the functions of a livepatch, by object and name: a folder OBJECT has one
// FUNCTION,POSITION for each.
func (k *Kernel) redirects(name string) []splice.Redirected {
	list := []splice.Redirected{}
	objects, _ := os.ReadDir(k.path(livepatch, name)) // none once it is disabled
	for _, o := range objects {
		functions, _ := os.ReadDir(k.path(livepatch, name, o.Name()))
		for _, f := range functions {
			if fn, _, ok := strings.Cut(f.Name(), ","); ok && f.IsDir() {
				list = append(list, splice.Redirected{Function: fn, Module: o.Name(), Trampoline: "ftrace"})
			}
		}
	}
	return list
}

// place takes where a module is from a line of /proc/modules: name, size, users, who they
// are, state, address. The address is 0 for those who may not see it.
func place(r *splice.Report, line string) {
	f := strings.Fields(line)
	if len(f) < 6 {
		return
	}
	size, _ := strconv.ParseUint(f[1], 10, 64)
	if at, err := strconv.ParseUint(f[5], 0, 64); err == nil && at != 0 {
		r.Start, r.End = at, at+size
	}
}

// BuildID returns the build-id of the running kernel, hexadecimal.
func (k *Kernel) BuildID() (string, error) {
	notes, err := os.ReadFile(k.path("sys/kernel/notes"))
	if err != nil {
		return "", fmt.Errorf("build-id of the kernel: %w", err)
	}
	if id := noteID(notes); id != "" {
		return id, nil
	}
	return "", errors.New("build-id of the kernel: it has none")
}

// noteID returns the build-id among notes (gABI, "Note Section"), in hexadecimal, "" where
// there is none.
func noteID(b []byte) string {
	for len(b) >= 12 {
		name, desc := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
		at := 12 + (name+3)&^3
		if at+desc > uint64(len(b)) {
			return ""
		}
		if binary.LittleEndian.Uint32(b[8:]) == ntBuildID && string(b[12:12+name]) == "GNU\x00" {
			return hex.EncodeToString(b[at : at+desc])
		}
		b = b[min(uint64(len(b)), at+(desc+3)&^3):]
	}
	return ""
}
