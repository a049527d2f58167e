//go:build unix

package files

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// text is content to write; bad fails in the middle.
type text string

func (s text) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(s))
	return int64(n), err
}

type bad struct{}

var errBad = errors.New("it fails")

func (bad) WriteTo(w io.Writer) (int64, error) {
	n, _ := io.WriteString(w, "half")
	return int64(n), errBad
}

// folder has a file of each kind.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for _, err := range []error{
		os.WriteFile(at("file"), []byte("old"), 0o640), os.Link(at("file"), at("hard")), os.Symlink("file", at("link")),
		syscall.Mkfifo(at("pipe"), 0o600), os.Mkdir(at("folder"), 0o755), os.WriteFile(at("other"), nil, 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOpen opens what is no file: an error, at once.
func TestOpen(t *testing.T) {
	dir := folder(t)
	for name, want := range map[string]error{
		"file": nil, "link": nil, "missing": fs.ErrNotExist,
		"pipe": ErrNotRegular, "folder": ErrNotRegular, "socket": ErrNotRegular, "/dev/null": ErrNotRegular, "/dev/zero": ErrNotRegular,
	} {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		late := time.AfterFunc(10*time.Second, func() { panic(name + " keeps us waiting") })
		f, err := Open(name)
		late.Stop()
		if !errors.Is(err, want) || (err == nil) != (want == nil) || (f == nil) != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Count(err.Error(), name) != 1 {
			t.Errorf("%s: said once: %v", name, err)
		}
		if errors.Is(err, ErrNotRegular) && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
}

// TestWrite writes over what is there, and refuses what it must.
func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name   string
		w      io.WriterTo
		inputs []string
		want   error
		mode   fs.FileMode
	}{
		{"new", text("new"), []string{"file"}, nil, 0o644},
		{"file", text("new"), []string{"other", "missing"}, nil, 0o640},
		{"link", text("new"), nil, nil, 0o640},
		{"file", text("new"), []string{"other", "file"}, ErrInput, 0o640},
		{"hard", text("new"), []string{"file"}, ErrInput, 0o640},
		{"link", text("new"), []string{"file"}, ErrInput, 0o640},
		{"file", text("new"), []string{"link"}, ErrInput, 0o640},
		{"file", bad{}, nil, errBad, 0o640},
		{"new", bad{}, nil, errBad, 0},
		{"pipe", text("new"), nil, ErrNotRegular, 0},
		{"folder", text("new"), nil, ErrNotRegular, 0},
		{"missing/new", text("new"), nil, fs.ErrNotExist, 0},
	} {
		dir := folder(t)
		name := filepath.Join(dir, c.name)
		var inputs []string
		for _, in := range c.inputs {
			inputs = append(inputs, filepath.Join(dir, in))
		}
		before, _ := os.ReadDir(dir)
		err := Write(name, c.w, inputs...)
		if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s, with the inputs %v: %v", c.name, c.inputs, err)
		}
		after, _ := os.ReadDir(dir)
		if made := len(after) - len(before); made != 0 && (c.want != nil || c.name != "new") {
			t.Errorf("%s: %d files are left behind", c.name, made)
		}
		if c.mode == 0 {
			continue
		}
		b, err := os.ReadFile(name)
		if content := map[bool]string{true: "new", false: "old"}[c.want == nil]; err != nil || string(b) != content {
			t.Errorf("%s holds %q, %v", c.name, b, err)
		}
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != c.mode {
			t.Errorf("%s: %v, %v", c.name, st.Mode(), err)
		}
	}
}
