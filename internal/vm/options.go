package vm

import (
	"cmp"
	"strconv"
	"time"
)

// Options describes a machine. Only Kernel is required.
type Options struct {
	Kernel *Kernel
	// Cmdline is appended to the kernel's command line.
	Cmdline []string
	// CPUs is the number of processors, 1 by default.
	CPUs int
	// Memory is the size of the memory in MiB, 512 by default.
	Memory int
	// CPUModel is what QEMU's option -cpu takes, "qemu64" by default.
	CPUModel string
	// Files maps paths in the guest to files of the host that are copied there
	// before the kernel starts, with their permissions.
	Files map[string]string
	// Modules names modules of the kernel that are loaded before the machine
	// is handed over, each after what it depends on.
	Modules []string
	// Instructions has the guest's clocks count instructions, one for each nanosecond: what takes how
	// long does not depend on the host then. Where all processors are idle, its time goes on at once.
	Instructions bool
	// GDB is the path of a unix socket that QEMU waits at for a debugger, none
	// by default. The guest stands still while one is connected.
	GDB string
	// Cache is the folder in which the program for guests is kept; "" is the user's.
	Cache string
	// Patience is how long the guest may take for a request that is no program to run, 10
	// minutes by default, which is far above what any takes on a host that has ten times as
	// much to do as it can. Then it is killed: see [ErrStalled].
	Patience time.Duration
	// Log tells what may be found in the kernel log. [Start] does not look at it: it
	// is for who checks the machine in the end.
	Log Policy
}

// baseCmdline has the kernel report to the first serial line, but only what is
// at least a warning: the line is slow, and the whole log arrives by another way.
// A panic must end the machine, so that those who wait for it hear of it. On a
// host that has too much to do, an emulated timer may look broken to the kernel,
// which would give up then, and processors may seem to be stuck.
const baseCmdline = "console=ttyS0 quiet panic=-1 no_timer_check watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=150"

// Descriptors which QEMU inherits: the first of exec.Cmd.ExtraFiles is 3.
const (
	initrdFD = 3
	portFD   = 4
)

// defaultPatience is that of machines whose [Options] have none.
const defaultPatience = 10 * time.Minute

// defaultModel is the processor when [Options] names none.
const defaultModel = "qemu64"

// accelerator has processors take turns in one thread of the host. With a thread each,
// a guest stands still for good now and then while its kernel changes code that another
// processor executes.
const accelerator = "tcg,thread=single"

// args returns QEMU's arguments.
func (o *Options) args() []string {
	cpus := max(o.CPUs, 1)
	cmdline := baseCmdline
	for _, c := range o.Cmdline {
		cmdline += " " + c
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-accel", accelerator, "-cpu", cmp.Or(o.CPUModel, defaultModel),
		"-smp", strconv.Itoa(cpus), "-m", strconv.Itoa(cmp.Or(o.Memory, 512)),
		"-kernel", o.Kernel.Image, "-append", cmdline,
		"-initrd", "/proc/self/fd/" + strconv.Itoa(initrdFD),
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-chardev", "socket,id=port,fd=" + strconv.Itoa(portFD),
		"-device", "virtio-serial-pci,max_ports=2",
		"-device", "virtserialport,chardev=port,name=" + portName,
	}
	if o.Instructions {
		args = append(args, "-icount", "shift=0,sleep=off")
	}
	if o.GDB != "" {
		args = append(args, "-gdb", "unix:"+o.GDB+",server=on,wait=off")
	}
	return args
}
