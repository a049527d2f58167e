package ktree

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// generatedFolders have the headers that preparing a tree makes.
var generatedFolders = []string{"include/generated", "arch/x86/include/generated"}

// generated takes the headers that the copy has otherwise than the tree.
func (t *Tree) generated(dir string, e *Effects) error {
	for _, folder := range generatedFolders {
		now, err := texts(dir, folder)
		if err != nil {
			return err
		}
		old, err := texts(t.dir, folder)
		if err != nil {
			return err
		}
		for name, text := range now {
			if was, ok := old[name]; !ok || !bytes.Equal(was, text) {
				e.Overlay[name] = text
			}
		}
		for name := range old {
			if _, ok := now[name]; !ok {
				e.Overlay[name] = nil
			}
		}
	}
	return nil
}

// texts reads the files of a folder of a tree, by their paths.
func texts(root, folder string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := filepath.WalkDir(filepath.Join(root, folder), func(full string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(d.Name(), ".cmd") {
			return err
		}
		text, err := os.ReadFile(full)
		out[filepath.ToSlash(full[len(root)+1:])] = append([]byte{}, text...) // nil would be deleted
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return out, err
}
