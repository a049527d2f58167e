package report

import (
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
)

// made is a result with an update.
func made() *source.Result {
	return &source.Result{
		Schema: source.Schema, Name: "fix_cmdline", Outcome: source.OutcomeMade,
		Kernel: source.Identity{Release: "6.1.0-56-cloud-amd64", BuildID: "3b43fad50348aabb", Vermagic: "6.1.0-56-cloud-amd64 SMP preempt mod_unload modversions", Compiler: "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0", Config: "c0ffee", Tree: "7ee"},
		Patches: []source.PatchResult{{
			Name: "fix-cmdline.patch", Digest: "d1", Subject: "proc: say more in cmdline", Author: "A <a@example.org>", CVEs: []string{"CVE-2026-1"}, Fixes: []string{"12345 (\"proc: cmdline\")"},
			In: source.Whole, Reasons: []string{}, Needs: []string{},
		}},
		Files:   []source.FileResult{{Path: "fs/proc/cmdline.c", Kind: source.FileSource, Change: "modified", Objects: 1}},
		Objects: []source.ObjectResult{objectOne()},
		Update: &module.Module{
			Schema: module.Schema, Kernel: "3b43fad50348aabb", Name: "fix_cmdline",
			Functions: []module.Function{{Name: "cmdline_proc_show", Addr: 0xffffffff813f5980, Size: 42, Masked: 10, By: "symbol", Method: module.MethodFtrace}},
			Data:      []module.Data{}, Initials: []module.Initial{}, Accepted: []elfdiff.Finding{}, Pins: []module.Pin{},
			References: []module.Reference{{Name: "seq_puts", By: "export"}, {Name: "saved_command_line", By: "anchor"}},
			Findings:   []elfdiff.Finding{}, ID: "e47de0902288ffff",
		},
		Refusals: []*finding.Refusal{}, Findings: []finding.Finding{}, Affected: []module.Affected{},
		Stages: []source.Stage{{Name: "plan", Elapsed: 300 * time.Millisecond}, {Name: "compile", Elapsed: 2 * time.Second}},
	}
}

func objectOne() source.ObjectResult {
	return source.ObjectResult{
		Object: "fs/proc/cmdline.o", Source: "fs/proc/cmdline.c", Outcome: elfdiff.OutcomeCarried,
		Changes: []source.Change{{Name: "cmdline_proc_show", Kind: "function", Status: "changed", Why: `instruction at +0x18/+0x18: mov    $0xa,%esi -> mov    $" more\n",%rsi`}},
		Because: []string{"fs/proc/cmdline.c"}, Refusals: []*finding.Refusal{},
		Findings: []elfdiff.Finding{}, SetAside: []string{"line 12 -> 13"},
		Pre: source.Compiled{Digest: "aa", Kept: true}, Post: source.Compiled{Digest: "bb", Elapsed: time.Second},
	}
}

// refused is a result of which a part can't be carried, and a part is for a person.
func refused() *source.Result {
	r := made()
	r.Name, r.Outcome, r.Update = "fix_timer", source.OutcomeRefused, nil
	r.Patches[0].Name, r.Patches[0].In = "fix-timer.patch", source.Nothing
	judge := &finding.Refusal{Finding: finding.New(finding.CodeConstShared)}
	judge.Symbol, judge.Section, judge.Message = "timerfd_fops", ".rodata.timerfd_fops", "its address is passed to anon_inode_getfd"
	r.Refusals = []*finding.Refusal{finding.Refuse(finding.CodeTLSChanged, "f", ".tbss", 8, "it is new"), judge}
	r.Affected = []module.Affected{{Name: "get_cmdline", Files: []string{"mm/util.c"}}}
	return r
}

// document is a document of a result, as one is written.
func document(r *source.Result) *Document {
	d := New(r)
	d.Began, d.Page = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), r.Name+".html"
	d.Commands = []string{"cd /tree && gcc-12 -c fs/proc/cmdline.c"}
	if r.Update != nil {
		d.Module = File{r.Name + ".ko", 8040, "5a5a"}
	}
	return d
}
