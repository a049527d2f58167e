package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/child"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// ltoWords is how a command or the rules of a package ask for link time optimization.
var ltoWords = regexp.MustCompile(`(^|[\s'"=,])-flto\b|optimize=[^\s'"]*\+(lto|all)\b|-Db_lto=true|INTERPROCEDURAL_OPTIMIZATION=(ON|TRUE|1)`)

// foresee says what would make a build be in vain.
func (b *Builder) foresee(ctx context.Context) error {
	var refused []error
	for _, x := range []struct{ where, text string }{{"the command that builds", b.source.Build}, {"the environment", strings.Join(b.source.Env, "\n")}, {"debian/rules", b.rules()}} {
		if m := ltoWords.FindString(x.text); m != "" {
			refused = append(refused, refuse(CodeLTO, "", "", "%s asks for link time optimization: %s", x.where, strings.TrimSpace(m)))
		}
	}
	have, err := b.compilers(ctx)
	if err != nil {
		return err
	}
	for _, t := range b.targets {
		if t.buildID == "" {
			refused = append(refused, refuse(CodeNoBuildID, "", t.path, "it has no build-id, by which processes that run it are found"))
		}
		if r := t.foreign(have); r != nil {
			refused = append(refused, r)
		}
	}
	return errors.Join(refused...)
}

// rules are those of a package of Debian, without comments.
func (b *Builder) rules() string {
	text, err := os.ReadFile(filepath.Join(b.source.Dir, "debian/rules"))
	if err != nil {
		return "" // it is none
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// foreign refuses a file that none of some compilers has made. Of a compiler it is the version
// that counts, and not who packed it: the match proves that the code is the same.
func (t *target) foreign(have []string) error {
	if len(t.idents) == 0 || len(have) == 0 {
		return nil // stripped of that too: the match decides
	}
	for _, is := range t.idents {
		for _, h := range have {
			if version(is) == version(h) {
				return nil
			}
		}
	}
	return refuse(CodeOther, "", t.path, "it is of %s, and here are %s", strings.Join(t.idents, ", "), strings.Join(have, ", "))
}

var versionForm = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

// version is the compiler and its version of how it names itself: GCC: (Debian 12.2.0-14)
// 12.2.0, or Debian clang version 14.0.6.
func version(ident string) string {
	kind := "GCC"
	if strings.Contains(ident, "clang") {
		kind = "clang"
	}
	all := versionForm.FindAllString(ident, -1)
	if len(all) == 0 {
		return ident
	}
	if kind == "GCC" {
		return kind + " " + all[len(all)-1]
	}
	return kind + " " + all[0]
}

// compilers are how the compilers here name themselves.
func (b *Builder) compilers(ctx context.Context) ([]string, error) {
	dir, err := os.MkdirTemp("", "gosplice-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var out []string
	for _, path := range compilersInPath(os.Getenv("PATH")) {
		object := filepath.Join(dir, "x.o")
		cmd := exec.CommandContext(ctx, path, "-x", "c", "-c", "-o", object, os.DevNull)
		child.EndTogether(cmd)
		if err := cmd.Run(); ctx.Err() != nil {
			return nil, context.Cause(ctx)
		} else if err != nil {
			continue // of another machine
		}
		f, err := elfobj.Open(object)
		if err != nil {
			continue
		}
		comment, err := section(f, kerneltab.Comment)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("compiler %s: %w", path, err)
		}
		for _, ident := range idents(comment) {
			if !slices.Contains(out, ident) {
				out = append(out, ident)
			}
		}
	}
	return out, nil
}

var compilerName = regexp.MustCompile(`^(x86_64-linux-gnu-)?(cc|gcc|clang)(-[0-9.]+)?$`)

// compilersInPath are the programs of compilers, each once.
func compilersInPath(path string) []string {
	var out []string
	seen := map[string]bool{}
	for _, dir := range filepath.SplitList(path) {
		list, err := os.ReadDir(dir)
		if err != nil {
			continue // a part of PATH that is not there is none
		}
		for _, e := range list {
			if !compilerName.MatchString(e.Name()) {
				continue
			}
			real, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
			if err != nil || seen[real] {
				continue
			}
			seen[real] = true
			out = append(out, real)
		}
	}
	return out
}
