package foresee

import (
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running"
)

// kernel asks whether it is the kernel that the livepatch is for, and whether the name is free.
func (c *checker) kernel(context.Context) error {
	if !c.exists("sys/kernel") {
		c.unseen(Unknown, "the kernel", nil, "sysfs")
		return nil
	}
	if !c.plain() && !c.exists(livepatch) {
		c.add(Finding{Code: module.CodeKernel, Effect: Refused, Message: "the kernel has no livepatch (/" + livepatch + " is not there)"})
	}
	c.build()
	if name := c.file.Name; c.exists(path.Join("sys/module", name)) {
		message := "a module of that name is loaded"
		switch c.line(path.Join(livepatch, name, "enabled")) {
		case "1":
			message += ", and its livepatch is enabled"
		case "":
			message += ", and no livepatch of it is enabled"
		}
		c.add(Finding{Code: splice.CodeApplied, Effect: Refused, Module: name, Message: message})
	}
	return nil
}

// plain reports whether the file is an update for a kernel without livepatch: jumps take all over
// at once, for all tasks.
func (c *checker) plain() bool { return c.file.Module != nil && c.file.Module.Plain }

// build compares the kernel's build with the one that the module is for: by its build-id, or,
// for a module that others made, by the release in its vermagic.
func (c *checker) build() {
	if m := c.file.Module; m != nil {
		notes, err := c.read("sys/kernel/notes")
		id, bad := hex.DecodeString(m.Kernel)
		switch {
		case err != nil:
			c.unseen(Unknown, "the build-id of the kernel", err, "")
		case bad != nil || len(id) == 0 || !strings.Contains(notes, string(id)):
			c.add(Finding{Code: module.CodeOtherBuild, Effect: Refused, Message: fmt.Sprintf("it is for the kernel with build-id %.12s, and another one runs", m.Kernel)})
		}
		return
	}
	release, _, _ := strings.Cut(c.file.Magic, " ")
	runs, err := c.read("proc/sys/kernel/osrelease")
	switch {
	case err != nil:
		c.unseen(Unknown, "the release of the kernel", err, c.unmounted("proc", "proc/self"))
	case strings.TrimSpace(runs) != release:
		c.add(Finding{Code: module.CodeOtherBuild, Effect: Refused, Message: fmt.Sprintf("it is for %s, and %s runs", release, strings.TrimSpace(runs))})
	}
}

// unmounted returns the name of a file system that has to have a file, "" when that is there.
func (c *checker) unmounted(name, file string) string {
	if c.exists(file) {
		return ""
	}
	return name
}

// capSysModule is the bit of the right to load modules (include/uapi/linux/capability.h).
const capSysModule = 16

// rights asks whether modules can be loaded at all, and by us.
func (c *checker) rights(context.Context) error {
	if c.line("proc/sys/kernel/modules_disabled") == "1" {
		c.add(Finding{Code: splice.CodePermission, Effect: Refused, Message: "kernel.modules_disabled is set", Hint: "it can't be taken back but by a restart"})
	}
	status, err := c.read("proc/self/status")
	if err != nil {
		c.unseen(Unknown, "what we may do", err, c.unmounted("proc", "proc/self"))
		return nil
	}
	for line := range strings.Lines(status) {
		if text, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
			if err != nil || caps>>capSysModule&1 == 0 {
				c.add(Finding{Code: splice.CodePermission, Effect: Refused, Message: "we may not load modules"})
			}
		}
	}
	return nil
}

// secureBoot is the variable of the firmware that says whether it checked what it booted (UEFI
// specification, "Globally Defined Variables"): four bytes of attributes, and 1 or 0.
const secureBoot = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

// signature asks whether the kernel takes the module's signature (kernel/module/signing.c,
// module_sig_check).
func (c *checker) signature(context.Context) error {
	enforced := c.line("sys/module/module/parameters/sig_enforce") == "Y"
	mode, err := c.lockdown()
	why, code := "", running.CodeSignature
	switch {
	case enforced:
		why = "the kernel enforces signatures (module.sig_enforce)"
	case mode != "" && mode != "none":
		why, code = "the kernel is locked down ("+mode+")", CodeLockdown
		if b := c.line(secureBoot); strings.HasSuffix(b, "\x01") {
			why += ", as Secure Boot has it"
		}
	}
	switch {
	case why == "" && err != nil && !c.file.Signed && c.hasLSM():
		c.unseen(Unknown, "whether the kernel is locked down", nil, "securityfs")
	case why == "":
	case !c.file.Signed:
		c.add(Finding{Code: code, Effect: Refused, Message: why + ", and it is not signed"})
	default:
		c.add(Finding{Code: code, Effect: Unknown, Message: why + ", and nothing shows whether it has the key of the signature", Hint: "see that the certificate is in a keyring of the kernel (keyctl list %:.secondary_trusted_keys, mokutil --list-enrolled)"})
	}
	return nil
}

// lockdown returns the mode of the lockdown, "" when the kernel knows none.
func (c *checker) lockdown() (string, error) {
	text, err := c.read(path.Join(securityfs, "lockdown"))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(text, "[")
	mode, _, _ := strings.Cut(rest, "]")
	return mode, nil
}

// hasLSM reports whether a kernel whose lockdown can't be seen may have it: securityfs is there
// to be mounted, and is not.
func (c *checker) hasLSM() bool {
	return c.exists(securityfs) && len(c.list(securityfs)) == 0
}

// A module takes its file, what is loaded of it, and the symbols once more while it is loaded
// (kernel/module/main.c).
const (
	memoryTimes = 3
	memorySpare = 16 << 20 // bytes
)

// memory asks whether there is room.
func (c *checker) memory(context.Context) error {
	text, err := c.read("proc/meminfo")
	if err != nil {
		c.unseen(Note, "the memory", err, c.unmounted("proc", "proc/self"))
		return nil
	}
	var free uint64
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				kib, _ := strconv.ParseUint(f[0], 10, 53)
				free = kib << 10
			}
		}
	}
	need := uint64(len(c.file.Bytes())) * memoryTimes
	if free < need+memorySpare {
		c.add(Finding{Code: CodeMemory, Effect: Unknown, Message: fmt.Sprintf("%d MiB are available, and it takes about %d KiB while it is loaded", free>>20, need>>10)})
	}
	return nil
}

// depends asks for the modules that it needs. The kernel has an underscore in names where a file
// has a dash (scripts/Makefile.lib, name-fix).
func (c *checker) depends(context.Context) error {
	for _, name := range c.file.Depends {
		name = strings.ReplaceAll(name, "-", "_")
		if fs.ValidPath(name) && !c.exists(path.Join("sys/module", name)) {
			c.add(Finding{Code: CodeDepends, Effect: Refused, Module: name, Message: "it needs " + name + ", which is not loaded"})
		}
	}
	return nil
}
