package fixes

import "github.com/gosplice/gosplice/splice/module/internal/sides"

// byCallers looks for functions that take effect by their callers, as the bodies of system calls
// do: the old one stays as it was, and nobody calls it once all callers run with the change.
// These are in modules then, and call the one with the change there.
func (m *matching) byCallers(list []Function) {
	at := make(map[string]*Function, len(list))
	for i := range list {
		if f := &list[i]; !f.New {
			at[f.Name] = f
		}
	}
	for again := true; again; { // a caller may take effect by its own callers
		again = false
		for i := range m.Pairs {
			p := &m.Pairs[i]
			if f := at[p.Pre]; f != nil && f.Runs == Pre && m.away[f.In] == nil && m.called(f, p, at) {
				again = true
			}
		}
	}
}

// called finds the function in the modules that its callers are in, all of which have it with the change.
func (m *matching) called(f *Function, p *sides.Pair, at map[string]*Function) bool {
	var w found
	in := ""
	for _, name := range p.By {
		by := at[name]
		if by == nil || by.Runs != Post || m.away[by.In] == nil {
			return false
		}
		if w = whole(m.away[by.In], m.side.post, p.Post); !w.ok {
			return false
		}
		in = by.In
	}
	if in == "" {
		return false
	}
	f.is(Post, w, "")
	f.In = in
	return true
}
