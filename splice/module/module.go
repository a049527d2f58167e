package module

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/signature"
)

// Options says what the module tells about itself. Only Name is required.
type Options struct {
	// Name is the module's name: letters, digits and underscores.
	Name string
	// License is GPL unless given; livepatch is for compatible licences only
	// (include/linux/license.h).
	License     string
	Description string   // one line
	Fixes       []string // what it fixes, such as CVE numbers: one line each
	// Replace has it take the place of all livepatches that are active
	// (Documentation/livepatch/cumulative-patches.rst).
	Replace bool
	// Earlier is the update that this one replaces, as [Read] gives it: Replace is set with it.
	// What it does and this one does not is judged ([finding.CodeLost]).
	Earlier *Module
	// Patches are the patches that it is made of, for who replaces it one day.
	Patches []SourcePatch
	// Probes allows a function that is not traced, and taken over by a kprobe
	// instead of livepatch or a jump, beside others that are not traced. Nothing makes a task run the old or the new
	// version of all of them: a person has to say that they do not depend on each
	// other. One alone needs no such word.
	Probes bool
	// NoJumps has no function taken over by a jump, see [MethodJump].
	NoJumps bool
	// Unpin says why the module can be removed although addresses of what it brings
	// along are kept, see [Module].Pinned: its callbacks take them back. It is taken from a patch
	// that has a callback for the end.
	Unpin string
	// Accept lists what a person takes responsibility for among what Build itself
	// finds, as elfdiff.Options.Accept does for a comparison. A reason is one line.
	Accept []elfdiff.Acceptance
	// Tasks, when not nil, says which tasks of the running kernel stay in which
	// functions, see [Kernel.ReadTasks]: what the update waits for is known then.
	Tasks *Tasks
	// Progress, when set, is told when a stage begins, and whenever a part of it is
	// done: "types", what changed types matter to; "link", the objects; "calls", who
	// calls what in the kernel; "write", the module. Calls do not overlap.
	Progress func(stage string, done, total int)
}

// A Pair is the change of one object: pre and post compared with
// [elfdiff.Options].Tables, and pre matched with [Kernel.Run] or, for an object
// of a module, with [Target.Run].
type Pair struct {
	Diff   *elfdiff.Diff
	Match  *reloc.Result
	Target *Target // nil for built-in code
	// Fixes are those of [Options].Fixes that this pair belongs to; none means all of them.
	// The module has it in its file, for who asks which of them a kernel has.
	Fixes []string
}

// A Function is one that the module replaces.
type Function struct {
	Name     string `json:"name"`     // in the kernel
	Module   string `json:"module"`   // that it is in, "" for built-in code
	Position uint64 `json:"position"` // among those of its name, from 1; 0 when it is unique
	Addr     uint64 `json:"addr"`     // link address, or run address, see [OpenRunning]; of a module's function one that was made up
	Size     uint64 `json:"size"`     // bytes that are verified, with cold parts
	Masked   uint64 `json:"masked"`   // bytes of those that the kernel rewrites on its own
	By       string `json:"by"`       // what singled it out
	Method   string `json:"method"`   // [MethodFtrace], [MethodJump], [MethodProbe] or [MethodExit]
}

// A Reference says how the module reaches something in the kernel.
type Reference struct {
	Name   string `json:"name"`
	Addr   uint64 `json:"addr"`   // link address, or per-CPU offset; 0 of another module's export
	By     string `json:"by"`     // "export", "anchor", "per-cpu", "absolute" or "module"
	Module string `json:"module"` // that it is in, "" for the kernel itself
	// For is the module that is patched and depends on Module, when the update itself does not:
	// the reference is filled in whenever that module is there.
	For string `json:"for,omitempty"`
}

// A Module is a livepatch module.
type Module struct {
	Schema     int         `json:"schema"` // [Schema]
	Kernel     string      `json:"kernel"` // build-id of the kernel that it is for, hexadecimal
	Name       string      `json:"name"`
	Functions  []Function  `json:"functions"`
	Data       []Data      `json:"data"`     // constants that are overwritten
	Initials   []Initial   `json:"initials"` // members of variables that are set
	References []Reference `json:"references"`
	// Findings are what to know about how it works; none is in the way.
	Findings []elfdiff.Finding `json:"findings"`
	// Accepted is what a person has accepted, of the comparisons too, with the reasons. A
	// reason is in the file as well: modinfo shows it as accepted=CODE:SYMBOL=REASON.
	Accepted []elfdiff.Finding `json:"accepted"`
	// Pinned is set when the module can be disabled, but not removed: others may have
	// an address of what it brings along. Pins says which.
	Pinned bool   `json:"pinned"`
	Pins   []Pin  `json:"pins"`
	ID     string `json:"id"`     // digest of everything in it, hexadecimal
	Signed bool   `json:"signed"` // a signature is behind it
	// Plain is set when it is for a kernel without livepatch (CONFIG_LIVEPATCH): functions are taken over by jumps
	// alone, and its parameter "enabled" shows whether it is in effect.
	Plain bool `json:"plain"`
	// Origin is what it says of itself; absent when it was read from JSON of before v0.2.
	Origin *Origin `json:"origin,omitzero"`

	image []byte
}

// WriteTo writes the file.
func (m *Module) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(m.image)
	return int64(n), err
}

// Bytes returns the file. The slice is shared and must not be changed.
func (m *Module) Bytes() []byte { return m.image }

// Sign returns the module with a signature behind it, as the kernel's own
// scripts/sign-file makes it: PKCS#7, detached, SHA-256, without attributes and
// without the certificate, which the kernel has to have in one of its keyrings.
// The key is of RSA or ECDSA, and belongs to the certificate. With keys that are
// in memory the same input gives the same bytes.
//
// The module itself is not changed, and its ID is that of what is signed.
func (m *Module) Sign(cert *x509.Certificate, key crypto.Signer) (*Module, error) {
	if cert == nil || key == nil {
		return nil, fmt.Errorf("sign module %s: no certificate or key is given", m.Name)
	}
	signed, err := signature.Append(m.image, cert, key)
	if err != nil {
		return nil, fmt.Errorf("sign module %s: %w", m.Name, err)
	}
	out := *m
	out.Signed, out.image = true, signed
	return &out, nil
}

// Build makes the module that carries the changes of all pairs. The same input
// gives the same bytes. What elfdiff.Options.Types judges is judged here where the
// comparison did not have it, and so is what changed types matter to and is not given
// (an [*AffectedError]). Give pairs that have no difference too: it counts as given. The
// error joins all refusals, each a [*splice.Refusal] or an [*elfdiff.RefusedError].
func Build(k *Kernel, opt Options, pairs ...Pair) (*Module, error) {
	return BuildContext(context.Background(), k, opt, pairs...)
}

// BuildContext is Build with a context, which ends the search for what changed types
// affect, see [Kernel.Affected], and the making of the call graph.
func BuildContext(ctx context.Context, k *Kernel, opt Options, pairs ...Pair) (*Module, error) {
	b, err := newBuilder(k, opt)
	var m *Module
	if err == nil {
		err = checkPairs(&opt, pairs)
	}
	if err == nil {
		m, err = b.build(ctx, pairs)
	}
	if err != nil {
		return nil, fmt.Errorf("build module %s: %w", opt.Name, err)
	}
	return m, nil
}

// maxName is MODULE_NAME_LEN without the NUL (include/linux/module.h).
const maxName = 55

// licenses are those that the kernel takes for compatible with the GPL
// (include/linux/license.h).
var licenses = []string{"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}

// isName reports whether a module can have a name.
func isName(s string) bool {
	ok := s != "" && len(s) <= maxName
	for _, c := range s {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_')
	}
	return ok
}

const hintRename = "call the update otherwise (mkupdate -name NAME)"

// checkPairs has each match be of its pair's pre, and a module be called otherwise than what it changes: the kernel has
// one of a name.
func checkPairs(opt *Options, pairs []Pair) error {
	for i := range pairs {
		if err := splice.Belongs(pairs[i].Diff, pairs[i].Match); err != nil {
			return err
		}
		if t := pairs[i].Target; t != nil && t.Name() == opt.Name {
			r := refuse(CodeName, opt.Name, "", 0, "the module that it changes is called so")
			r.Hint = hintRename
			return r
		}
	}
	return nil
}

func checkOptions(opt *Options) error {
	if !isName(opt.Name) {
		return refuse(CodeName, opt.Name, "", 0, "no name for a module, which has 1 to %d letters, digits and underscores", maxName)
	}
	good := false
	for _, l := range licenses {
		good = good || l == opt.License
	}
	if !good {
		return refuse(CodeLicense, opt.Name, "", 0, "licence %q is not compatible with livepatch", opt.License)
	}
	texts := append([]string{opt.Description}, opt.Fixes...)
	for _, p := range opt.Patches {
		texts = append(texts, p.Name, p.Digest)
	}
	for _, s := range texts {
		if strings.ContainsAny(s, "\x00\n") {
			return refuse(CodeNotOneLine, opt.Name, kerneltab.Modinfo, 0, "%q is not one line", s)
		}
	}
	return nil
}
