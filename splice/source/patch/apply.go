package patch

import (
	"bytes"
	"errors"
	"fmt"
	"path"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// Apply applies a patch, all of it or nothing. The error is an [*ApplyError] where the patch
// does not fit, and says why; another one where the base can't be read.
func (t *Tree) Apply(p *Patch) error {
	if p == nil {
		return errors.New("no patch is given")
	}
	s := t.stage(p)
	err := s.apply()
	if err == nil {
		for name, e := range s.files {
			t.files[name] = e
		}
		t.placed = append(t.placed, s.placed...)
		return nil
	}
	var apply *ApplyError
	if errors.As(err, &apply) {
		apply.Patch = p.Name
		t.diagnose(p, apply)
		return apply
	}
	return fmt.Errorf("%s: %w", p.Name, err)
}

// A stage is a patch on its way into a tree.
type stage struct {
	tree  *Tree
	patch *Patch
	files map[string]*entry // what the patch has made so far
	// gone are the paths that some part of the patch takes away, and made those that some part makes.
	gone, made map[string]bool
	placed     []Placement
	copies     []copied
	work       int // what is left of comparisons
}

// copied is a copy that is taken away, and what it was a copy of.
type copied struct {
	file    *File
	content []byte
}

// stage prepares a patch to be applied.
func (t *Tree) stage(p *Patch) *stage {
	s := &stage{tree: t, patch: p, files: map[string]*entry{}, gone: map[string]bool{}, made: map[string]bool{}, work: maxWork}
	for i := range p.Files {
		switch f := &p.Files[i]; f.Kind {
		case Renamed, Deleted:
			s.gone[f.Old] = true
		}
	}
	return s
}

// apply applies all files of the patch to the stage.
func (s *stage) apply() error {
	for i := range s.patch.Files {
		f := &s.patch.Files[i]
		if err := s.file(f); err != nil {
			return s.refuse(f, err)
		}
	}
	if err := s.uncopy(); err != nil {
		return err
	}
	return s.folders()
}

// folders refuses files that are where others have a folder.
func (s *stage) folders() error {
	if len(s.made) == 0 {
		return nil
	}
	dirs := map[string]bool{}
	for _, files := range []map[string]*entry{s.tree.files, s.files} {
		for name, e := range files {
			if now := s.files[name]; e.gone || now != nil && now.gone {
				continue
			}
			for dir := path.Dir(name); dir != "." && !dirs[dir]; dir = path.Dir(dir) {
				dirs[dir] = true
			}
		}
	}
	for i := range s.patch.Files {
		if f := &s.patch.Files[i]; s.made[f.New] && dirs[f.New] && !s.files[f.New].gone {
			return s.refuse(f, fail(CodeType, "there is a folder, or the patch makes one"))
		}
	}
	return nil
}

// refuse makes an ApplyError of what went wrong with a file, where it is about the patch.
func (s *stage) refuse(f *File, err error) error {
	var e *ApplyError
	switch {
	case errors.As(err, &e):
	case errors.Is(err, errLink):
		e = &ApplyError{Code: CodePath, What: err.Error()}
	case errors.Is(err, errNoFile):
		e = &ApplyError{Code: CodeType, What: err.Error()}
	case errors.Is(err, errLarge):
		e = &ApplyError{Code: CodeSize, What: err.Error()}
	default:
		return err
	}
	e.File = f.Path()
	if (f.Kind == Renamed || f.Kind == Copied) && e.Code != CodeExists {
		e.File = f.Old
	}
	if e.PatchLine == 0 {
		e.PatchLine = f.Line
	}
	return e
}

// fail makes an ApplyError about a file as a whole.
func fail(code finding.Code, format string, args ...any) *ApplyError {
	return &ApplyError{Code: code, What: fmt.Sprintf(format, args...)}
}

// load returns a file as the patch has made it so far.
func (s *stage) load(name string) (*entry, error) {
	if e := s.files[name]; e != nil {
		return e, nil
	}
	return s.tree.load(name)
}

// file applies the change of one file to the stage.
func (s *stage) file(f *File) error {
	if why := unsafePath(f.Path()); why != "" {
		return fail(CodePath, "%s", why)
	}
	if f.Kind == Binary {
		return fail(CodeBinary, "it changes a binary file")
	}
	old, err := s.source(f)
	if err != nil {
		return err
	}
	content, err := s.hunks(f, old.content)
	if err != nil {
		return err
	}
	switch {
	case f.Kind == Deleted && f.uncopied != "":
		s.remove(f.Old)
		s.copies = append(s.copies, copied{f, content})
		return nil
	case f.Kind == Deleted && len(content) > 0:
		return fail(CodeOtherVersion, "it deletes the file, but the file has more than the patch takes away")
	case f.Kind == Deleted:
		s.remove(f.Old)
		return nil
	case f.Kind == Renamed:
		s.remove(f.Old)
	}
	return s.put(f, old, content)
}

// source returns the file that a change starts from; one without content for new files.
func (s *stage) source(f *File) (*entry, error) {
	switch f.Kind {
	case Created:
		return &entry{mode: 0o644}, s.vacant(f.New)
	case Renamed, Copied:
		// Renames and copies are of the file as it was before the patch, in whatever order.
		if f.Kind == Renamed && s.files[f.Old] != nil && !s.files[f.Old].gone && !s.made[f.Old] {
			return nil, fail(CodeFormat, "it changes a file, and then renames it: these are several patches in one")
		}
		if err := s.vacant(f.New); err != nil {
			return nil, err
		}
		return present(s.tree.load(f.Old))
	}
	e, err := s.load(f.Old)
	if err == nil && e.gone && f.inferred {
		return &entry{mode: 0o644}, nil
	}
	return present(e, err)
}

// present refuses a file that is not there.
func present(e *entry, err error) (*entry, error) {
	if err == nil && e.gone {
		return nil, fail(CodeMissing, "the file is not there")
	}
	return e, err
}

// vacant refuses a path that has a file, but for one that the patch takes away.
func (s *stage) vacant(name string) error {
	if s.gone[name] && !s.made[name] {
		return nil
	}
	e, err := s.load(name)
	if err == nil && !e.gone {
		err = fail(CodeExists, "the file is there already")
	}
	return err
}

// put puts a changed file into the stage.
func (s *stage) put(f *File, old *entry, content []byte) error {
	before, err := s.tree.load(f.New)
	if err != nil && !s.gone[f.New] {
		return err
	}
	e := &entry{content: content, mode: old.mode}
	if before != nil {
		e.base = before.base
	}
	if f.NewMode != 0 {
		e.mode = f.NewMode
	}
	s.files[f.New] = e
	if f.Kind != Modified && f.Kind != Mode {
		s.made[f.New] = true
	}
	return nil
}

// remove takes a file away, but for one that the patch has put there.
func (s *stage) remove(name string) {
	if s.made[name] {
		return
	}
	e := &entry{gone: true}
	if before, err := s.tree.load(name); err == nil {
		e.base = before.base
	}
	s.files[name] = e
}

// uncopy looks whether the copies that are taken away are copies of what is left.
func (s *stage) uncopy() error {
	for _, c := range s.copies {
		e, err := present(s.load(c.file.uncopied))
		if err == nil && !bytes.Equal(e.content, c.content) {
			err = fail(CodeOtherVersion, "it takes away a copy of %s, which is another file by now", c.file.uncopied)
		}
		if err != nil {
			return s.refuse(c.file, err)
		}
	}
	return nil
}

// hunks applies the hunks of a file to its content.
func (s *stage) hunks(f *File, content []byte) ([]byte, error) {
	if len(f.Hunks) == 0 {
		return content, nil
	}
	img, before := newImage(content), len(s.placed)
	for i := range f.Hunks {
		at, found := img.find(&f.Hunks[i], &s.work)
		if s.work < 0 {
			return nil, fail(CodeSize, "it takes too long to find where its hunks belong")
		}
		if !found {
			return nil, s.mismatch(f, i, img, content)
		}
		s.note(f, i+1, img, at)
		img.apply(&f.Hunks[i], at, &s.work)
	}
	if len(s.placed) > before && newImage(content).isAfter(f) {
		e := fail(CodeOtherVersion, "it would apply at line %d, but what it makes of the file is there already, at the very lines that it says", s.placed[before].Line)
		e.Hunk, e.Line = s.placed[before].Hunk, s.placed[before].Line
		return nil, e
	}
	if img.size() > maxFile {
		return nil, fail(CodeSize, "%v", errLarge)
	}
	return img.content(), nil
}

// isAfter reports whether the file is what a patch makes of it, at the very lines, by some context.
func (img *image) isAfter(f *File) bool {
	work := maxWork
	for i := range f.Hunks {
		h := &f.Hunks[i]
		leading, trailing := h.context()
		if new := h.side(Remove); leading+trailing < 2 || h.NewLine < 1 || h.NewLine-1+len(new) > len(img.lines) || !img.matches(new, h.NewLine-1, &work) {
			return false
		}
	}
	return true
}
