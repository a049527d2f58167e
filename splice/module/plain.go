package module

import (
	"debug/elf"
	"maps"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// A kernel without livepatch (CONFIG_LIVEPATCH) takes an update by jumps alone, as Ksplice
// wrote them: all functions are taken over at once, while all processors stand still and no
// stack leads to the old code. What livepatch does besides is in the module's own code: it
// holds the module while the update is in effect, and has a parameter "enabled" in sysfs.
// A later update may replace a function again; it stands over the earlier one, which is held
// until the later one is disabled.

// FindingAtOnce is the code of the finding about an update for a kernel without livepatch:
// what that can't offer.
const FindingAtOnce elfdiff.Code = "at-once"

// checkPlain refuses what a kernel without livepatch can't do, and says what is otherwise.
func (b *builder) checkPlain() {
	if !b.plain {
		return
	}
	if b.opt.Replace {
		r := refuse(CodeNoLivepatch, b.opt.Name, "", 0, "without livepatch no update takes the place of another in one step")
		r.Hint = "load it over the earlier one, or disable and unload that first"
		b.refused.add(r)
	}
	for _, o := range b.objects {
		for _, name := range slices.Sorted(maps.Keys(o.hooks)) {
			b.refused.add(refuse(CodeNoLivepatch, name, o.name(), 0, "without livepatch nothing calls the callbacks of a patch"))
		}
	}
	b.report(elfdiff.Finding{
		Code: FindingAtOnce, Severity: elfdiff.Carried, Symbol: b.opt.Name,
		Message: "this kernel has no livepatch: there is no transition task by task, and no update in the place of another. All tasks go over at once, and it is not loaded (EBUSY) while one sleeps in what it replaces",
		Hint:    "/sys/module/" + b.opt.Name + "/parameters/enabled shows whether it is in effect, and 0 written there ends that",
	})
}

// The parameters of the module.
const (
	enabledParameter = "enabled"
	accountParameter = "gosplice_account" // ACCOUNT of the module's own code
	enabledMode      = 0o644              // of the file in sysfs; one of mode 0 has none
)

// parameters links the code that takes the place of livepatch, and writes the parameters of
// the module (struct kernel_param of include/linux/moduleparam.h).
func (b *builder) parameters() {
	param, ops := b.layout["kernel_param"], b.layout["kernel_param_ops"]
	if param.Size == 0 || ops.Size == 0 {
		b.refused.add(refuse(CodeKernel, "kernel_param", kerneltab.BTF, 0, "the image has no such structure"))
		return
	}
	b.code.Add("plain", "", nil)
	d := b.Data()
	calls := d.Append(8, make([]byte, ops.Size))
	b.code.Define("param_ops", elf.STT_OBJECT, d, calls, ops.Size)
	for _, member := range []string{"set", "get"} {
		d.AddRela(calls+ops.Offsets[member], elf.R_X86_64_64, b.code.Symbols[member+"_enabled"].Symbol, 0)
	}
	s := b.Section(kerneltab.Parameters, elf.SHT_PROGBITS, ko.Alloc, 8)
	add := func(name string, mode uint16, arg ko.Dest) {
		at := s.Append(8, make([]byte, param.Size))
		refer := func(member string, to ko.Dest) {
			s.AddRela(at+param.Offsets[member], elf.R_X86_64_64, to.Symbol, to.Addend)
		}
		refer("name", b.Literal(name))
		refer("mod", ko.Dest{Symbol: b.thisModule().Anchor})
		refer("ops", ko.Dest{Symbol: d.Anchor, Addend: int64(calls)})
		refer("arg", arg)
		s.Data[at+param.Offsets["perm"]], s.Data[at+param.Offsets["perm"]+1] = byte(mode), byte(mode>>8)
		s.Data[at+param.Offsets["level"]] = 0xff // -1, as of all modules
	}
	add(enabledParameter, enabledMode, ko.Dest{Symbol: d.Anchor, Addend: int64(calls)}) // nobody follows it
	if b.hasJumps() {
		add(accountParameter, 0, b.code.Symbols["account"])
	}
}

// account writes struct account, by which later updates find the jumps of this one, and the
// table of those that it stands over itself.
func (b *builder) account(jumps int) {
	a := b.code.AddTable(b.Data(), "account", "account", 1)
	a.Refer(0, "rows", b.code.Symbols["jump_rows"])
	a.Refer(0, "code", b.code.Symbols["jump_new"])
	a.Refer(0, "module", ko.Dest{Symbol: b.thisModule().Anchor})
	d, size := b.Data(), uint64(8*(jumps+1))
	b.code.Define("jump_accounts", elf.STT_OBJECT, d, d.Append(8, make([]byte, size)), size)
}
