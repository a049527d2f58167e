//go:build linux && amd64

package process

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/reloc/image"
)

// TestViewCheck has a process execute something, and end, while it is looked at.
func TestViewCheck(t *testing.T) {
	v, _, _ := odd(t, configNamed("O2-pie"))
	open := func() *View {
		t.Helper()
		w, err := OpenView(context.Background(), v.pid)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		if err := w.Check(); err != nil || w.Image() == nil {
			t.Error(err)
		}
		return w
	}
	w := open()
	io.WriteString(v.in, "100\n")
	for range 5000 {
		if w.Check() != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	checkRefusal(t, w.Check(), CodeExec)
	w = open()
	v.cmd.Process.Kill()
	v.cmd.Wait()
	checkRefusal(t, w.Check(), CodeGone)
	_, err := OpenView(context.Background(), v.pid)
	checkRefusal(t, err, CodeGone)
}

// TestInspectRecord compares an update with records of it that are not what Apply writes, as a
// process may have put them there.
func TestInspectRecord(t *testing.T) {
	b := program(t, configNamed("O2-pie"), "constant")
	v := start(t, b.program, "1")
	u := v.update(b)
	if _, err := Apply(context.Background(), v.pid, u, Options{}); err != nil {
		t.Fatal(err)
	}
	img, err := image.OpenProcess(v.pid)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	mem := imageMem{img}
	for _, tt := range []struct {
		name   string
		change func(r *record)
		want   string
	}{
		{"as it is", func(*record) {}, ""},
		{"no jump", func(r *record) { r.Redirects = nil }, "the record has 0 jumps"},
		{"one too many", func(r *record) { r.Redirects = append(slices.Clone(r.Redirects), r.Redirects[0]) }, "the record has 2 jumps"},
		{"another place", func(r *record) { r.Redirects[0].New++ }, "another jump"},
		{"another end", func(r *record) { r.End++ }, "laid out otherwise"},
	} {
		records, err := findRecords(context.Background(), v.pid, mem)
		if err != nil {
			t.Fatal(err)
		}
		p, err := unverified(u, img)
		if err != nil {
			t.Fatal(err)
		}
		x := &inspector{plan: p, mem: mem, records: records}
		x.choose()
		tt.change(x.rec)
		out := x.inspect()
		if tt.want == "" && (out.Differs != "" || out.Functions[0].Runs != New) || !strings.Contains(out.Differs, tt.want) {
			t.Errorf("%s: %q, %+v; want %q", tt.name, out.Differs, out.Functions, tt.want)
		}
	}
}
