package running

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/stacks"
)

// What a module of package module logs at its end when a jump of it is not what it has written
// (jump_post of internal/kcode/src/jump.c): nothing is put back then.
const (
	changedSince = ": somebody else has changed "
	staysAsItIs  = "; it stays as it is, and so does this module"
)

// left refuses to call a livepatch disabled whose jumps lead to its code still.
func (k *Kernel) left(name string, said []string) error {
	for _, line := range said {
		rest, ok := strings.CutPrefix(line, name+changedSince)
		function, stays := strings.CutSuffix(rest, staysAsItIs)
		if !ok || !stays {
			continue
		}
		who := "nothing tells who"
		if list := k.probesIn(function); len(list) > 0 {
			who = strings.Join(list, ", ")
		}
		r := refuse(splice.CodeChanged, function, "somebody has changed it since %s was loaded (%s), so that no jump was taken back: what jumps replace runs the new code still, and its module stays loaded, until a restart", name, who)
		r.Hint = "take away what is there before an update is disabled"
		return r
	}
	return nil
}

// probesIn lists the kprobes in a function (Documentation/trace/kprobes.rst, "The kprobes debugfs
// interface").
func (k *Kernel) probesIn(function string) (list []string) {
	for line := range strings.Lines(k.read("sys/kernel/debug/kprobes/list")) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[2], function+"+0x") {
			kind := "kprobe at "
			if f[1] == "r" {
				kind = "kretprobe at "
			}
			list = append(list, kind+f[2])
		}
	}
	return list
}

// inside refuses to remove a module while tasks sleep in its code. That is where a later update has
// taken over its jumps: the kernel would wait for these tasks, and so would who asks, whom nothing
// could end. Nobody comes in any more.
func (k *Kernel) inside(ctx context.Context, name string) error {
	var who []string
	_ = stacks.Each(ctx, os.DirFS(k.path()), func(_ int, dir string) error {
		stack, err := os.ReadFile(k.path(dir, "stack"))
		if err != nil {
			return nil // it has ended, or is not ours to see: then the kernel looks
		}
		for _, f := range stacks.Lines(string(stack)) {
			if f.Module != name {
				continue
			}
			stat, _ := os.ReadFile(k.path(dir, "stat"))
			task, _, _ := stacks.ParseStat(string(stat))
			who = append(who, fmt.Sprintf("%s (%d) in %s", task.Name, task.ID, f.Function))
			break
		}
		return nil
	})
	if len(who) == 0 {
		return nil
	}
	r := refuse(splice.CodeBusy, name, "tasks are in its code still: %s", strings.Join(who[:min(len(who), MaxBlockers)], ", "))
	r.Hint = "wait until they leave, or end what they do"
	return r
}
