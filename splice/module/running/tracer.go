package running

import (
	"os"
	"slices"

	"github.com/gosplice/gosplice/splice/module/internal/kofile"
)

// TracerSwitch is the file below the root that switches the function tracer, by which livepatch replaces functions:
// "0" is off. Livepatch keeps it from being switched off while it is at work (FTRACE_OPS_FL_PERMANENT of
// kernel/trace/ftrace.c).
const TracerSwitch = "proc/sys/kernel/ftrace_enabled"

// tracerOff refuses a load that needs the function tracer while it is switched off. The kernel refuses it too (EBUSY),
// as it does for other reasons, and after it has begun.
func (k *Kernel) tracerOff(f *File) error {
	if k.read(TracerSwitch) != "0" || !k.needsTracer(f) {
		return nil
	}
	return refuse(CodeTracingOff, f.Name, "kernel.ftrace_enabled is 0, and livepatch works by the function tracer")
}

// needsTracer reports whether a file replaces functions by the function tracer as it is loaded. One that puts its
// livepatch together when it is loaded may.
func (k *Kernel) needsTracer(f *File) bool {
	obj, err := kofile.Parse(f.image)
	if err != nil {
		return true
	}
	p, err := obj.Patch(0)
	if err != nil {
		return true
	}
	return slices.ContainsFunc(p.Objects, func(o kofile.Object) bool {
		return len(o.Functions) > 0 && (o.Name == "" || k.exists("sys/module", o.Name))
	})
}

func (k *Kernel) exists(name ...string) bool {
	_, err := os.Stat(k.path(name...))
	return err == nil
}
