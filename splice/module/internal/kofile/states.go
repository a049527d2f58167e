package kofile

// A State is one that a livepatch changes, and that those have to know that take its place
// (struct klp_state of include/linux/livepatch.h).
type State struct {
	ID      uint64
	Version uint32
}

// Of klp_patch and of klp_state, as of Linux 5.5.
const (
	patchStates  = 16
	stateVersion = 8
	stateSize    = 24
)

// states returns those that a patch names, none where it names none.
func (f *File) states(patch Place) (out []State) {
	at, ok := f.target(Place{patch.Section, patch.Offset + patchStates})
	if !ok {
		return nil
	}
	for ; ; at.Offset += stateSize {
		id, ok := f.word(at)
		version, there := f.word(Place{at.Section, at.Offset + stateVersion})
		if !ok || !there || id == 0 {
			return out
		}
		out = append(out, State{id, uint32(version)})
	}
}
