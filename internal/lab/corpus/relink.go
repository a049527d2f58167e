package corpus

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// relink makes the objects of a stage from those of Pre.
func (c *Corpus) relink(ctx context.Context, s Stage, pre, dir string) error {
	for _, name := range c.Files {
		object := strings.TrimSuffix(name, ".c") + ".o"
		from, to := filepath.Join(pre, object), filepath.Join(dir, object)
		if !exists(from) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := s.Relink(ctx, from, to); err != nil {
			return err
		}
	}
	return nil
}

// reverse has ld bring the sections of functions into the reverse order, as if
// the functions stood in that order in the source.
func reverse(ctx context.Context, pre, out string) error {
	f, err := elf.Open(pre)
	if err != nil {
		return err
	}
	defer f.Close()
	var script bytes.Buffer
	script.WriteString("SECTIONS {\n")
	for i := len(f.Sections) - 1; i > 0; i-- {
		if s := f.Sections[i]; s.Flags&elf.SHF_EXECINSTR != 0 && strings.HasPrefix(s.Name, ".text.") {
			fmt.Fprintf(&script, "%q : { *(%q) }\n", s.Name, s.Name)
		}
	}
	script.WriteString("}\n")
	path := out + ".ld"
	if err := os.WriteFile(path, script.Bytes(), 0o644); err != nil {
		return err
	}
	defer os.Remove(path)
	said, err := exec.CommandContext(ctx, "ld", "-r", "-T", path, "-o", out, pre).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: ld: %w: %s", pre, err, said)
	}
	return nil
}
