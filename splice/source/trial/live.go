package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module"
)

// remember reads how the functions begin before the update is loaded.
func (t *trial) remember(ctx context.Context) error {
	run, err := t.look(ctx, t.allChanged())
	if err != nil {
		return err
	}
	t.before = map[string][]byte{}
	for _, f := range t.Update.Functions {
		if addr, ok := locate(run, f); ok {
			if b := make([]byte, entrySize); run.ReadAddr(b, addr) == nil {
				t.before[key(f)] = lead(b)
			}
		}
	}
	return nil
}

func key(f module.Function) string { return fmt.Sprintf("%s:%s,%d", f.Module, f.Name, f.Position) }

// live looks where the functions lead, and what livepatch says.
func (t *trial) live(ctx context.Context) error {
	functions, err := t.objects(ctx)
	if err != nil {
		return err
	}
	if len(t.Update.Functions) > 0 {
		functions = t.Update.Functions
	}
	run, err := t.look(ctx, t.allChanged())
	if err != nil {
		return err
	}
	patches, err := run.Livepatches()
	if err != nil {
		return err
	}
	code, err := t.code(ctx)
	if err != nil {
		return err
	}
	var dead []string
	for _, f := range functions {
		out := t.follow(ctx, memory{run, patches, code}, f)
		t.report.Functions = append(t.report.Functions, out)
		if out.State == Dead {
			dead = append(dead, out.Name+": "+out.Why)
		}
	}
	if len(dead) > 0 {
		return errors.New(strings.Join(dead, "; "))
	}
	return nil
}

// objects reads livepatch's folder of the update: one OBJECT for each file that is changed,
// with the file patched, and a FUNCTION,POSITION for each function.
func (t *trial) objects(ctx context.Context) ([]module.Function, error) {
	names, err := t.m.ReadDir(ctx, t.livepatch())
	if err != nil {
		return nil, err
	}
	var list []module.Function
	for _, name := range names {
		inside, err := t.m.ReadDir(ctx, t.livepatch(name))
		if err != nil {
			continue // a file
		}
		o := Object{Name: name, Patched: t.read(ctx, t.livepatch(name, "patched")) == "1"}
		if !slices.Contains(inside, "patched") { // kernels before 6.1 do not say it
			o.Patched = name == vmlinux || t.loaded(ctx, name)
		}
		t.report.Objects = append(t.report.Objects, o)
		if !o.Patched && (name == vmlinux || t.loaded(ctx, name)) {
			return nil, fmt.Errorf("livepatch says that it has not patched %s", name)
		}
		for _, entry := range inside {
			if f, ok := parseFunction(name, entry); ok {
				list = append(list, f)
			}
		}
	}
	return list, nil
}

// vmlinux is livepatch's name for the kernel itself.
const vmlinux = "vmlinux"

// parseFunction reads "FUNCTION,POSITION", the name of a folder.
func parseFunction(object, entry string) (module.Function, bool) {
	name, pos, ok := strings.Cut(entry, ",")
	n, err := strconv.ParseUint(pos, 10, 64)
	if !ok || err != nil {
		return module.Function{}, false
	}
	if object == vmlinux {
		object = ""
	}
	return module.Function{Name: name, Module: object, Position: n, Method: module.MethodFtrace}, true
}

// locate returns where a function is; false when its module is not loaded.
func locate(run *image.Image, f module.Function) (uint64, bool) {
	i := slices.IndexFunc(run.Modules(), func(m image.Module) bool {
		return m.Main && f.Module == "" || m.Name == f.Module && f.Module != ""
	})
	if i < 0 {
		return 0, false
	}
	if f.Module == "" && f.Addr != 0 {
		return f.Addr + run.Modules()[i].Bias, true
	}
	for _, s := range run.Lookup(f.Name) {
		if pos, ok := run.SymPos(s); ok && s.Module == i && (pos == f.Position || pos <= 1 && f.Position <= 1) {
			return s.Addr, true
		}
	}
	return 0, false
}

// memory is the guest's kernel while the update is in place.
type memory struct {
	run     *image.Image
	patches map[uint64]image.Livepatch
	code    span // of the update
}

// follow says where a function leads.
func (t *trial) follow(ctx context.Context, m memory, f module.Function) Function {
	out := Function{Name: f.Name, Module: f.Module, Method: f.Method, State: NotLoaded}
	addr, ok := locate(m.run, f)
	if !ok {
		return out
	}
	out.Old, out.State = hex(addr), Dead
	entry := make([]byte, entrySize)
	if err := m.run.ReadAddr(entry, addr); err != nil {
		out.Why = fmt.Sprintf("its code can't be read: %v", err)
		return out
	}
	target := uint64(0)
	switch op, to := transfer(entry, addr); {
	case f.Method == module.MethodFtrace && op != opCall:
		out.Why = fmt.Sprintf("it does not begin with a call of the function tracer: % x", entry)
	case f.Method == module.MethodFtrace:
		p, ok := m.patches[addr]
		if target = p.New; !ok {
			out.Why = "livepatch has no other code for it"
		}
	case f.Method == module.MethodJump && op != opJump:
		out.Why = fmt.Sprintf("it does not begin with a jump: % x", entry)
	case f.Method == module.MethodJump:
		target = to
	case f.Method == module.MethodExit:
		to, err := m.run.ModuleExit(f.Module)
		if target = to; err != nil {
			out.Why = err.Error()
		}
	default:
		return t.followProbe(ctx, out, f)
	}
	if target == 0 {
		return out
	}
	out.New = hex(target)
	if target < m.code.start || target >= m.code.end {
		out.Why = out.New + " is not in the update"
		return out
	}
	out.State = Live
	return out
}

// probes lists the kernel's probes: address, kind, place, and what about them.
const probes = "/sys/kernel/debug/kprobes/list"

// followProbe sees that there is a probe that is on.
func (t *trial) followProbe(ctx context.Context, out Function, f module.Function) Function {
	for line := range strings.Lines(t.read(ctx, probes)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && "0x"+strings.TrimLeft(fields[0], "0") == out.Old && !strings.Contains(line, "[DISABLED]") {
			out.State = Live
			return out
		}
	}
	out.Why = "there is no probe at it"
	return out
}

// reverted sees that the functions are as they were.
func (t *trial) reverted(ctx context.Context) error {
	run, err := t.look(ctx, t.allChanged())
	if err != nil {
		return err
	}
	patches, err := run.Livepatches()
	if err != nil {
		return err
	}
	for _, f := range t.Update.Functions {
		addr, ok := locate(run, f)
		if !ok {
			continue
		}
		_, ok = patches[addr]
		if f.Method == module.MethodExit {
			to, err := run.ModuleExit(f.Module)
			if err != nil {
				return err
			}
			ok = to != addr
		}
		if ok {
			return fmt.Errorf("%s still leads to other code", f.Name)
		}
		now := make([]byte, entrySize)
		if err := run.ReadAddr(now, addr); err != nil {
			return err
		}
		if was := t.before[key(f)]; was != nil && !bytes.Equal(was, lead(now)) {
			return fmt.Errorf("%s begins with % x, and before the update with % x", f.Name, lead(now), was)
		}
	}
	return nil
}
