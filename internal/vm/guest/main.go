//go:build linux

// Command guest is the first and only process of a virtual machine. It
// mounts the usual file systems, loads the modules that its connection needs,
// and then answers the host's requests (package wire) until the host hangs up.
//
// It never exits: an error in the setup goes to the console and becomes a kernel
// panic, on which the machine stops; a panic in a request is that request's answer.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"syscall"
)

func init() {
	// Requests must not run on the process's main thread: when the kernel
	// kills a thread (an oops), that one alone would take init with it.
	runtime.LockOSThread()
}

func main() {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "gosplice guest: %v\n%s", p, debug.Stack())
			os.Exit(1) // init's end is a kernel panic, which the host sees
		}
	}()
	if err := setup(); err != nil {
		panic(err)
	}
	port, err := openPort()
	if err != nil {
		panic(err)
	}
	g := newGuest(port)
	if err := g.hello(); err != nil {
		panic(err)
	}
	go g.reap()
	go g.followLog()
	if err := g.serve(); err != nil {
		fmt.Fprintf(os.Stderr, "gosplice guest: %v\n", err)
	}
	powerOff() // nobody is left to talk to
}

// mounts are the file systems that every guest has. Those marked optional may
// be missing from the kernel or forbidden by its lockdown mode.
var mounts = []struct {
	fstype, dir string
	optional    bool
}{
	{"devtmpfs", "/dev", false},
	{"proc", "/proc", false},
	{"sysfs", "/sys", false},
	{"tmpfs", "/tmp", false},
	{"debugfs", "/sys/kernel/debug", true},
	{"tracefs", "/sys/kernel/tracing", true},
	{"securityfs", "/sys/kernel/security", true},
}

// bootModules lists modules to load before anything else, one path a line.
const bootModules = "/lib/gosplice/boot-modules"

func setup() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.dir, 0o755); err != nil && !m.optional {
			return err
		}
		if err := syscall.Mount(m.fstype, m.dir, m.fstype, 0, ""); err != nil && !m.optional {
			return fmt.Errorf("mount %s on %s: %w", m.fstype, m.dir, err)
		}
	}
	if err := os.Setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin"); err != nil {
		return err
	}
	list, err := os.ReadFile(bootModules)
	if err != nil {
		return err
	}
	for name := range strings.Lines(string(list)) {
		name = strings.TrimSuffix(name, "\n")
		if err := loadFile(name, "", 0); err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
	}
	return nil
}

func powerOff() {
	syscall.Sync()
	how := syscall.LINUX_REBOOT_CMD_POWER_OFF
	if _, err := os.Stat("/sys/firmware/acpi"); err != nil {
		how = syscall.LINUX_REBOOT_CMD_RESTART // a kernel without ACPI can't; the emulator ends then too
	}
	err := syscall.Reboot(how)
	panic(fmt.Sprintf("power off: %v", err))
}
