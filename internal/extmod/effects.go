package extmod

import (
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/ktree"
)

// texts are the ends of the names of files that an object is made of when it, or what it is made
// of, names them: what they say is no matter of how the folder is built.
var texts = map[string]bool{".c": true, ".h": true, ".S": true, ".inc": true}

// Effects says what an overlay changes but for the objects that have its files: how objects are
// made, and which there are, see [ktree.Tree.Effects]. Where a header comes or goes, which may
// hide another of its name, all objects are made again.
func (s *Source) Effects(ctx context.Context, o ktree.Overlay) (*ktree.Effects, error) {
	e := &ktree.Effects{Overlay: ktree.Overlay{}, Notes: map[string]string{}, Kept: ktree.Overlay{}}
	var causes, moved []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		_, was := s.base[s.inner(name)]
		switch come := !was || o[name] == nil; {
		case IsDocument(name) || strings.HasPrefix(name, "../"):
		case come && texts[path.Ext(name)] && path.Ext(name) != ".c" && path.Ext(name) != ".S":
			moved = append(moved, name)
		case come || !texts[path.Ext(name)]:
			causes = append(causes, name)
		}
	}
	after := s.units
	if len(causes) > 0 {
		var err error
		after, err = s.tree.ModuleUnits(ctx, &s.modules, s.over(o))
		var folder *ktree.FolderError
		if errors.As(err, &folder) {
			e.Refused = append(e.Refused, ktree.Unfollowed{File: causes[0], Why: "with the patch, " + folder.Error()})
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
	for _, c := range ktree.Changes(s.units, after, s.each(causes, s.inner)) {
		e.Changed = append(e.Changed, s.change(&c))
	}
	if len(moved) > 0 {
		e.Changed = append(e.Changed, s.all(e.Changed, after, moved)...)
	}
	return e, nil
}

// all makes all objects again that are not among the changed ones.
func (s *Source) all(changed []ktree.UnitChange, after []ktree.Unit, because []string) []ktree.UnitChange {
	var out []ktree.UnitChange
	for i := range after {
		u := s.outerUnit(after[i])
		if !slices.ContainsFunc(changed, func(c ktree.UnitChange) bool { return c.Post != nil && c.Post.Object == u.Object }) {
			out = append(out, ktree.UnitChange{Pre: &u, Post: &u, Because: because})
		}
	}
	return out
}

// change is a change with its names as they are here.
func (s *Source) change(c *ktree.UnitChange) ktree.UnitChange {
	out := ktree.UnitChange{Because: s.each(c.Because, s.outer)}
	if c.Pre != nil {
		u := s.outerUnit(*c.Pre)
		out.Pre = &u
	}
	if c.Post != nil {
		u := s.outerUnit(*c.Post)
		out.Post = &u
	}
	return out
}

// documents are the names of files that say nothing to a build.
var documents = []string{
	"*.md", "*.rst", "*.txt", "README*", "COPYING*", "LICENSE*", "NEWS*", "AUTHORS*", "CHANGELOG*", "ChangeLog*", "Changelog*", "TODO*",
	"dkms.conf*", ".*", "*.spec", "*.spec.in", "*.yml", "*.yaml", "*.html", "*.png", "*.service", "*.rules",
}

// documentFolders have nothing that is compiled into a module.
var documentFolders = []string{"debian/", "doc/", "docs/", "Documentation/", ".github/"}

// IsDocument reports whether a file says nothing to a build: documentation, packaging and the like.
func IsDocument(name string) bool {
	for _, dir := range documentFolders {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return slices.ContainsFunc(documents, func(pattern string) bool {
		ok, _ := path.Match(pattern, path.Base(name))
		return ok
	})
}
