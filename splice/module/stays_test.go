package module

import (
	"errors"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/splice/module/internal/calls"
)

// openStock opens the image of a stock kernel.
func openStock(t *testing.T, series string) *Kernel {
	t.Helper()
	path, err := vmtest.Need(t, series).Vmlinux(vmtest.Context(t))
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	k, err := OpenKernel(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// staying are functions of all versions that are judged, and others that are not
// although they sleep, or loop, or end tasks.
var staying = map[string]elfdiff.Code{
	"__schedule": elfdiff.CodeSleepingStack, "schedule": elfdiff.CodeSleepingStack, "kthread": elfdiff.CodeSleepingStack,
	"ret_from_fork": elfdiff.CodeSleepingStack, "schedule_timeout": elfdiff.CodeSleepingStack,
	"kthreadd": elfdiff.CodeThreadLoop, "kswapd": elfdiff.CodeThreadLoop, "worker_thread": elfdiff.CodeThreadLoop,
	"rescuer_thread": elfdiff.CodeThreadLoop, "smpboot_thread_fn": elfdiff.CodeThreadLoop, "kthread_worker_fn": elfdiff.CodeThreadLoop,
	"rcu_gp_kthread": elfdiff.CodeThreadLoop, "oom_reaper": elfdiff.CodeThreadLoop, "kauditd_thread": elfdiff.CodeThreadLoop,
	"cpu_startup_entry": elfdiff.CodeThreadLoop, "kcompactd": elfdiff.CodeThreadLoop, "khugepaged": elfdiff.CodeThreadLoop,
	"irq_thread": elfdiff.CodeThreadLoop, "io_sq_thread": elfdiff.CodeThreadLoop, "kjournald2": elfdiff.CodeThreadLoop,

	"vfs_read": "", "do_sys_poll": "", "futex_wait": "", "do_epoll_wait": "", "inet_csk_accept": "", "wait_for_completion": "",
	"mutex_lock": "", "io_schedule": "", "do_exit": "", "kthread_exit": "", "panic": "", "balance_pgdat": "", "process_one_work": "",
	"run_ksoftirqd": "", "kernel_init": "", "do_wait": "", "schedule_idle": "", "do_nanosleep": "", "tcp_recvmsg": "", "msleep": "",
	"ping_hash": "", "call_usermodehelper_exec_async": "", "jbd2_journal_commit_transaction": "", "wb_workfn": "", "exc_page_fault": "",
}

// TestStays asks the images of stock kernels what stays on stacks: little, and what
// is known to.
func TestStays(t *testing.T) {
	for _, series := range []string{"6.1", "6.12"} {
		c, err := openStock(t, series).callsOf(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, code := range staying {
			list := c.Named(name)
			if len(list) == 0 {
				t.Logf("%s has no %s", series, name)
			}
			for _, fn := range list {
				if got, _ := c.Stay(fn); got.Code != code || (code != "") != (got.Why != "") {
					t.Errorf("%s: %s: %v, want %q", series, name, got, code)
				}
			}
		}
		count := map[elfdiff.Code]int{}
		for fn := range c.Len() {
			if s, ok := c.Stay(fn); ok {
				count[s.Code]++
			}
		}
		t.Logf("%s: of %d functions %v", series, c.Len(), count)
		if count[elfdiff.CodeThreadLoop] > 60 || count[elfdiff.CodeSleepingStack] > 12 {
			t.Errorf("%s: too many stay: %v", series, count)
		}
	}
}

// TestNMI asks them what NMIs run.
func TestNMI(t *testing.T) {
	for _, series := range []string{"6.1", "6.12"} {
		k := openStock(t, series)
		c, err := k.callsOf(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{ // by methods: j jump, f ftrace
			"unknown_nmi_error": "jf", "default_do_nmi": "jf", "perf_event_nmi_handler": "jf", "ghes_notify_nmi": "jf", "nmi_cpu_backtrace_handler": "jf",
			"intel_pmu_handle_irq": "jf", "vsnprintf": "j", "perf_event_overflow": "j", "vprintk_store": "j", "irq_work_queue": "j",
			"vfs_read": "", "schedule": "", "kmalloc_trace": "", "trace_clock_local": "", "kfree": "", "do_exit": "",
			"exc_page_fault": "", "sysvec_apic_timer_interrupt": "", "cpumap_print_to_pagebuf": "", "__alloc_pages": "",
		} {
			for _, fn := range c.Named(name) {
				got := ""
				if inNMI(c, fn, MethodJump) != "" {
					got += "j"
				}
				if inNMI(c, fn, MethodFtrace) != "" {
					got += "f"
				}
				if got != want {
					t.Errorf("%s: %s: %q, want %q: %s", series, name, got, want, inNMI(c, fn, MethodJump))
				}
			}
		}
		traced, others := 0, 0
		for fn := range c.Len() {
			f := c.Func(fn)
			_, is := k.sites.Fentry(f.Addr, f.Addr+f.Size)
			if is && inNMI(c, fn, MethodFtrace) != "" {
				traced++
			} else if !is && inNMI(c, fn, MethodJump) != "" {
				others++
			}
		}
		t.Logf("%s: of %d functions %d that are traced, %d others", series, c.Len(), traced, others)
		if traced > 60 || others > 400 {
			t.Errorf("%s: too many: %d and %d", series, traced, others)
		}
	}
}

// TestHot asks which functions a kprobe is too much for.
func TestHot(t *testing.T) {
	c, err := openStock(t, "6.1").callsOf(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, hot := range map[string]bool{
		"copy_page": true, "clear_page_orig": true, "memset_orig": true, "strcmp": true, "rb_next": true,
		"bitmap_print_to_pagebuf": false, "cpumap_print_bitmask_to_buf": false, "lockref_mark_dead": false, "trace_clock_jiffies": false,
	} {
		for _, fn := range c.Named(name) {
			if why := c.Hot(fn); (why != "") != hot {
				t.Errorf("%s: %q, want %v", name, why, hot)
			}
		}
	}
}

// BenchmarkCallGraph is what building the first update of a kernel takes.
func BenchmarkCallGraph(b *testing.B) {
	path, err := vmtest.Need(b, "6.1").Vmlinux(b.Context())
	if err != nil {
		b.Skip(err)
	}
	k, err := OpenKernel(path)
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	b.ReportAllocs()
	for b.Loop() {
		k.calls = calls.Lazy{}
		if _, err := k.callsOf(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
