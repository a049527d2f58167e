package reloc

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// A Redirect is where calls of a function lead instead of into its own code,
// because a livepatch or a jump at its start says so.
type Redirect struct {
	Kind PatchKind // PatchLivepatch or PatchJump
	At   uint64    // run address of what leads away
	To   uint64    // run address of the code that is live
	Name string    // what run's symbols say about To, "" when they don't
	// Verdict says whether the code that is live is that of pre: Matched or
	// Mismatch. The function's own verdict is about its own code.
	Verdict  Verdict
	Size     uint64         // bytes of the code that is live, of Matched
	Mismatch *MismatchError // of Mismatch
}

// redirectOf returns where a function leads, nil when it does not lead away.
func (m *solver) redirectOf(f *fn, out *FuncResult) *Redirect {
	if e := out.Mismatch; e != nil && e.Reason == ReasonRedirected && e.Target != 0 {
		return m.follow(f, &Redirect{Kind: PatchJump, At: e.Addr + e.RunOffset, To: e.Target})
	}
	if !m.c.Image.IsRunning() || out.Address == 0 {
		return nil
	}
	p, ok := m.c.Image.LivepatchAt(out.Address)
	if !ok {
		return nil
	}
	for i := range out.Patches {
		if q := &out.Patches[i]; q.Kind == PatchTraced {
			q.Kind, q.Target = PatchLivepatch, p.New
			q.Name, _, _ = m.c.Symbolize(p.New)
			return m.follow(f, &Redirect{Kind: PatchLivepatch, At: q.Address, To: p.New})
		}
	}
	return m.follow(f, &Redirect{Kind: PatchLivepatch, At: out.Address, To: p.New})
}

// follow compares a function with the code that is live. What that refers to is
// the same as ever: data of the module that the function itself is in, functions
// there or others that are redirected as well; only constants may be copies.
func (m *solver) follow(f *fn, r *Redirect) *Redirect {
	r.Name, _, _ = m.c.Symbolize(r.To)
	t := m.c.CompareAway(f.atom.ID, r.To, m.home)
	why := t.Err
	if why == nil {
		why = m.astray(t)
	}
	if why != nil {
		r.Verdict, r.Mismatch = Mismatch, newMismatch(f.atom.Name, why)
		return r
	}
	r.Verdict, r.Size = Matched, t.Size
	return r
}

// astray returns why what code elsewhere refers to can't be what the function
// refers to.
func (m *solver) astray(t *prove.Trial) *prove.Difference {
	for _, i := range t.Consts {
		b := &t.Binds[i]
		if c := m.c.CompareAway(object.AtomID(b.Key.ID), b.Value, m.home); c.Err != nil {
			return inherited(m.c, t, b, c.Node, c.Err)
		}
	}
	for i := range t.Binds {
		b := &t.Binds[i]
		if b.Soft || b.Key.Space != prove.InAtom {
			continue
		}
		id := object.AtomID(b.Key.ID)
		if id == t.Atom || m.c.Pre.Atom(id).Kind == object.Const {
			continue
		}
		if g := m.fnOf[id]; g >= 0 && m.funcs[g].done != nil {
			if at := m.funcs[g].done.At(b.Key.Off); b.Value == at || b.Key.Off == 0 && m.isReplacement(at, b.Value) {
				continue
			}
		} else if v := m.known(b.Key); v == nil || v.value == b.Value {
			continue
		}
		return t.Fail(prove.ReasonConflict, b.Ref, t.At(int64(b.Ref))-t.Addr, "%s is %#x in the code that is live, and elsewhere something else", m.c.KeyName(b.Key), b.Value)
	}
	return nil
}

// isReplacement reports whether a livepatch leads from a function to an address.
func (m *solver) isReplacement(old, addr uint64) bool {
	p, ok := m.c.Image.LivepatchAt(old)
	return ok && p.New == addr
}

// patchesOf completes the patches of a function.
func (m *solver) patchesOf(t *attempt) []Patch {
	out := slices.Clone(t.Patches)
	for i := range out {
		if p := &out[i]; p.Target != 0 {
			p.Name, _, _ = m.c.Symbolize(p.Target)
		}
	}
	return out
}
