package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/splice/source"
)

// TestCumulativeHeader leaves out a source for what it is refused for, not the header that another
// source needs too, and not for not compiling without that.
func TestCumulativeHeader(t *testing.T) {
	b := stock(t, "6.1")
	both := patchOf(t, b, "between.diff",
		edit{"fs/proc/cmdline.c", `<linux/seq_file.h>

static int cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, saved_command_line);`, `<linux/seq_file.h>
#include <linux/timerfd.h>

static int cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, saved_command_line);
	seq_puts(m, GOSPLICE_SAYS);`},
		edit{"fs/timerfd.c", "	.llseek		= noop_llseek,\n	.show_fdinfo	= timerfd_show,", "	.show_fdinfo	= timerfd_show,\n#ifndef GOSPLICE_SAYS\n#error it needs the header\n#endif"},
		edit{"include/linux/timerfd.h", "#endif /* _LINUX_TIMERFD_H */", "#define GOSPLICE_SAYS \" fixed\"\n#endif /* _LINUX_TIMERFD_H */"},
	)
	r, err := b.Cumulative(t.Context(), both.ByFile())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]source.Presence{"fs/proc/cmdline.c": source.Whole, "fs/timerfd.c": source.Nothing, "include/linux/timerfd.h": source.Whole}
	for _, p := range r.Patches {
		_, file, _ := strings.Cut(p.Name, ":")
		if why := fmt.Sprint(p.Reasons); p.In != want[file] || p.In == source.Nothing && (!strings.Contains(why, "const-shared") || strings.Contains(why, "compile")) {
			t.Errorf("%s: %s, want %s: %s", file, p.In, want[file], why)
		}
	}
	if r.Outcome != source.OutcomeMade {
		t.Errorf("%s: %v", r.Outcome, r.Refusals)
	}
}
