package behaviour

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// A Case is a patch and what is expected of it.
type Case struct {
	Name    string
	Patch   string   // the path of the patch
	Kernels []string // "kernels: 6.1 6.12": the series that it is for; both unless given
	// Outcome is what becomes of the patch, "outcome: ignored": made unless given, and refused
	// where there is expect.refused. "any" is for what may be made, and works then.
	Outcome string
	// Modules are loaded first, "modules: loop dummy:numdummies=2", and Late while the update
	// is there.
	Modules, Late []Loaded
	// Targets is what the update changes, "targets: vmlinux dummy"; vmlinux unless given.
	Targets []string
	// Objects is how many are compiled at least and at most, "objects: 3 20"; 0 is any number.
	Objects [2]int
	// Opt has the words that a person says, "options: in-place initials".
	Opt []string
	// Accept is what a person accepts, "accept: CODE:SYMBOL=REASON".
	Accept []finding.Acceptance
	// Pinned says that the update can't be removed, "pinned: yes".
	Pinned bool
	// Taint has letters, and Allow regular expressions of lines of the kernel log, that the
	// patch is meant to cause: "taint: W", "allow: text".
	Taint   string
	Allow   []string
	Probe   string
	Expect  map[Stage][]string
	Refused []Refusal
}

// Loaded is a module with parameters.
type Loaded struct{ Name, Params string }

// Refusal is one that is expected.
type Refusal struct {
	Code   finding.Code
	Symbol string // "" for any
}

// A Stage is when a probe runs.
type Stage string

// The stages, in order.
const (
	Before   Stage = "before"
	Patched  Stage = "patched"
	Reverted Stage = "reverted"
)

// Load reads all cases of a folder, sorted by name.
func Load(dir string) ([]*Case, error) {
	patches, err := filepath.Glob(filepath.Join(dir, "*", "fix.patch"))
	if err != nil {
		return nil, err
	}
	var list []*Case
	for _, p := range patches {
		c, err := load(filepath.Dir(p))
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: no folders with a fix.patch", dir)
	}
	return list, nil
}

// For returns the cases for a series of kernels.
func For(series string, list []*Case) []*Case {
	var some []*Case
	for _, c := range list {
		if slices.Contains(c.Kernels, series) {
			some = append(some, c)
		}
	}
	return some
}

func load(dir string) (*Case, error) {
	c := &Case{
		Name: filepath.Base(dir), Patch: filepath.Join(dir, "fix.patch"),
		Kernels: []string{"6.1", "6.12"}, Targets: []string{"vmlinux"}, Expect: map[Stage][]string{},
	}
	lines, err := readLines(filepath.Join(dir, "case"))
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		key, text, _ := strings.Cut(l, ":")
		set, ok := keys[key]
		if !ok {
			return nil, fmt.Errorf("%s/case: unknown key %q", dir, key)
		}
		if err := set(c, strings.TrimSpace(text)); err != nil {
			return nil, fmt.Errorf("%s/case: %s: %w", dir, key, err)
		}
	}
	return c, c.expectations(dir)
}

// keys are the words of a case.
var keys = map[string]func(c *Case, text string) error{
	"outcome": func(c *Case, text string) error { c.Outcome = text; return nil },
	"kernels": func(c *Case, text string) error { c.Kernels = strings.Fields(text); return nil },
	"modules": func(c *Case, text string) error { c.Modules = loaded(text); return nil },
	"late":    func(c *Case, text string) error { c.Late = loaded(text); return nil },
	"targets": func(c *Case, text string) error { c.Targets = strings.Fields(text); return nil },
	"options": func(c *Case, text string) error { c.Opt = strings.Fields(text); return nil },
	"pinned":  func(c *Case, text string) error { c.Pinned = text == "yes"; return nil },
	"taint":   func(c *Case, text string) error { c.Taint = text; return nil },
	"allow":   func(c *Case, text string) error { c.Allow = append(c.Allow, text); return nil },
	"accept": func(c *Case, text string) error {
		a, err := finding.ParseAcceptance(text)
		c.Accept = append(c.Accept, a...)
		return err
	},
	"objects": func(c *Case, text string) (err error) {
		for i, word := range strings.Fields(text)[:min(2, len(strings.Fields(text)))] {
			if c.Objects[i], err = strconv.Atoi(word); err != nil {
				return err
			}
		}
		return nil
	},
}

func loaded(text string) []Loaded {
	var list []Loaded
	for _, word := range strings.Fields(text) {
		name, params, _ := strings.Cut(word, ":")
		list = append(list, Loaded{name, params})
	}
	return list
}

func (c *Case) expectations(dir string) error {
	refused, err := readLines(filepath.Join(dir, "expect.refused"))
	if err != nil {
		return err
	}
	for _, l := range refused {
		code, symbol, _ := strings.Cut(l, " ")
		c.Refused = append(c.Refused, Refusal{finding.Code(code), strings.TrimSpace(symbol)})
	}
	for _, s := range []Stage{Before, Patched, Reverted} {
		if c.Expect[s], err = readLines(filepath.Join(dir, "expect."+string(s))); err != nil {
			return err
		}
	}
	if c.Expect[Reverted] == nil {
		c.Expect[Reverted] = c.Expect[Before]
	}
	probe, err := readLines(filepath.Join(dir, "probe"))
	c.Probe = strings.Join(probe, "\n") + "\n"
	if c.Outcome == "" {
		c.Outcome = "made"
		if c.Refused != nil {
			c.Outcome = "refused"
		}
	}
	if err == nil && c.Outcome == "made" && (probe == nil || c.Expect[Before] == nil || c.Expect[Patched] == nil) {
		return fmt.Errorf("%s: neither refused nor a probe with expectations", dir)
	}
	return err
}

// readLines returns the lines of a file that are not empty, and none when there is no file.
func readLines(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lines []string
	for l := range strings.Lines(string(b)) {
		if l = strings.TrimRight(l, "\n"); l != "" && l[0] != '#' {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

// Unmet returns the expectations of a stage that a transcript does not meet.
func (c *Case) Unmet(s Stage, transcript string) []string {
	var list []string
	for _, want := range c.Expect[s] {
		text, not := strings.CutPrefix(want, "! ")
		if strings.Contains(transcript, text) == not {
			list = append(list, want)
		}
	}
	return list
}
