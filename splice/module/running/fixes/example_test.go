package fixes_test

import (
	"context"
	"log"
	"os"

	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running/fixes"
)

// Which fixes of an update does the running kernel have?
func Example() {
	f, err := os.Open("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	m, err := module.Read(f)
	if err != nil {
		log.Fatal(err)
	}
	source, err := fixes.Of(m)
	if err != nil {
		log.Fatal(err)
	}
	img, err := reloc.OpenRunning()
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close()
	report, err := fixes.Check(context.Background(), img, source)
	if err != nil {
		log.Fatal(err)
	}
	if err := report.Text(os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func ExampleReport_Text() {
	r := &fixes.Report{Fixes: []fixes.Fix{
		{Name: "CVE-2026-0001", State: fixes.Fixed, Why: "2 functions with the fix"},
		{Name: "CVE-2026-0002", State: fixes.NotFixed, Why: "1 of 1 function without the fix", Functions: []fixes.Function{
			{Name: "uptime_proc_show", Object: "fs/proc/uptime.o", Runs: fixes.Pre, In: "vmlinux", Address: 0xffffffff813f8a50},
		}},
	}}
	if err := r.Text(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// fixed      CVE-2026-0001     2 functions with the fix
	// not-fixed  CVE-2026-0002     1 of 1 function without the fix
	//            uptime_proc_show of fs/proc/uptime.o: runs without the fix, at 0xffffffff813f8a50 in vmlinux
	// 1 fixed, 1 not fixed, 0 undecided
}
