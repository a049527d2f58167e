package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/audit"
)

// excused reports whether a function that did not match is one that a running
// kernel does not have.
func excused(f *reloc.FuncResult) bool {
	return f.Verdict == reloc.Absent && (f.Freed || f.Replacement != 0)
}

// writeAudit writes what does not match, and what was patched, one line each. It
// reports whether everything that can match does.
func (r *report) writeAudit(w io.Writer, verbose bool) (bool, error) {
	var b strings.Builder
	matched, other, patched, redirected, skipped := 0, 0, 0, 0, 0
	bytes := uint64(0)
	for _, o := range r.objects {
		for i := range o.result.Functions {
			f := &o.result.Functions[i]
			switch {
			case f.Verdict == reloc.Matched:
				matched++
				bytes += f.Size
			case excused(f):
				skipped++
			default:
				other++
				fmt.Fprintf(&b, "%-9s %s: %s: %s\n", f.Verdict, visible.Text(o.path), nameOf(f), remark(f))
				if verbose && f.Mismatch != nil {
					fmt.Fprintf(&b, "%+v\n", f.Mismatch)
				}
			}
			for j := range f.Patches {
				patched++
				writePatch(&b, nameOf(f), &f.Patches[j])
			}
			if f.Redirect != nil {
				redirected++
				fmt.Fprintf(&b, "%-9s %s\n", "redirect", redirectText(f))
			}
		}
	}
	r.writeConflicts(&b)
	fmt.Fprintf(&b, "%s: %d objects, %d functions match (%d bytes), %d do not, %d are not in a running kernel; %d patches, %d redirected\n",
		r.run, len(r.objects), matched, bytes, other, skipped, patched, redirected)
	_, err := io.WriteString(w, b.String())
	return other == 0 && matched+skipped > 0 && len(r.conflicts) == 0, err
}

func writePatch(b *strings.Builder, name string, p *reloc.Patch) {
	fmt.Fprintf(b, "%-9s %s+%#x at %#x: %s", "patched", name, p.Offset, p.Address, p.Kind)
	if p.Target != 0 {
		fmt.Fprintf(b, " to %#x %s", p.Target, p.Name)
	}
	b.WriteString("\n")
}

// redirectText says where calls of a function lead.
func redirectText(f *reloc.FuncResult) string {
	r := f.Redirect
	s := fmt.Sprintf("%s: a %s at %#x leads to %#x %s, ", nameOf(f), r.Kind, r.At, r.To, r.Name)
	if r.Verdict == reloc.Matched {
		return s + "which is the code of the object"
	}
	return s + "which is not the code of the object: " + r.Mismatch.Error()
}

// jsonAudit is the JSON form of the audit of a whole kernel.
type jsonAudit struct {
	Schema  int    `json:"schema"` // [audit.Schema]
	Run     string `json:"run"`
	Matched bool   `json:"matched"`
	*audit.Report
}

// auditKernel compares a whole running kernel with its vmlinux.
func (opt *options) auditKernel(ctx context.Context, stdout io.Writer) (matched bool, err error) {
	a, err := audited(ctx, opt.source)
	switch {
	case err != nil:
		return false, err
	case opt.json:
		err = writeAuditJSON(stdout, opt.where, a)
	default:
		err = writeAuditText(stdout, opt.where, a)
	}
	return len(a.Findings) == 0, err
}

func audited(ctx context.Context, src source) (*audit.Report, error) {
	img, err := src.open(ctx)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	return audit.Kernel(ctx, src.kernel, img)
}

func writeAuditText(w io.Writer, where string, a *audit.Report) error {
	var b strings.Builder
	for i := range a.Findings {
		fmt.Fprintf(&b, "%-9s %v\n", "mismatch", &a.Findings[i])
	}
	for i := range a.Patches {
		p := &a.Patches[i]
		writePatch(&b, "code", p)
	}
	fmt.Fprintf(&b, "%s: %d bytes compared; %d addresses moved with the kernel, %d places rewritten (%d of them known by their place only), %d patches, %d differences that nothing explains\n",
		where, a.Bytes, a.Moved, a.Sites, a.Opaque, len(a.Patches), len(a.Findings))
	_, err := io.WriteString(w, b.String())
	return err
}

func writeAuditJSON(w io.Writer, where string, a *audit.Report) error {
	a.Patches, a.Findings = append([]reloc.Patch{}, a.Patches...), append([]audit.Finding{}, a.Findings...)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(jsonAudit{audit.Schema, where, len(a.Findings) == 0, a})
}
