package ktree

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// parseCommands reads the objects from what make -n prints for a kernel: one line of shell for
// each target, in which commands follow each other, with ';' in between:
//
//	set -e; echo '  CC      a.o'; trap '...' PIPE; gcc -Wp,-MMD,.a.o.d ... -c -o a.o a.c; ./tools/objtool/objtool ... a.o; scripts/basic/fixdep ...
//	... printf '%s\n' a.o b.o | awk '... print("dir/"$0) ...' > dir/m.mod; ...
//	set -e; trap ...; ./tools/objtool/objtool ... a.o   (a line of its own, until Linux 5.15)
//	... { echo dir/a.o dir/b.o;  } > dir/m.mod; ...     (until Linux 5.18)
//	... rm -f dir/built-in.a; printf "dir/%s " a.o b.o | xargs ar cDPrST dir/built-in.a; ...
//
// An object that make enters twice has the flags of the last time: its folder's Makefile
// is entered from the root then, with what that gives one file.
func parseCommands(out []byte) *parser {
	p := &parser{at: map[string]int{}, modules: map[string][]string{}, linked: map[string]bool{}}
	for line := range bytes.Lines(out) {
		p.line(string(bytes.TrimRight(line, "\n")))
	}
	for i := range p.list {
		u := &p.list[i]
		if mods := p.modules[u.Object]; len(mods) > 0 {
			slices.Sort(mods)
			mods = slices.Compact(mods)
			u.Module = mods[0]
			if len(mods) > 1 {
				u.Modules = mods
			}
		}
		u.Special = special(u, p.linked[u.Object] || u.Module != "")
	}
	return p
}

type parser struct {
	list    []Unit
	at      map[string]int      // index by object
	modules map[string][]string // that an object is part of
	linked  map[string]bool     // objects that are part of an archive that the kernel is linked of
	damaged []string            // commands for objects that can't be read
}

// fewest is a number of objects that every kernel has.
const fewest = 100

// check reports what must not be: few objects, or some that are compiled for a module and are
// part of none. Then some of what make printed was lost, or has another form.
func (p *parser) check() error {
	if len(p.list) < fewest {
		return fmt.Errorf("make lists %d objects only", len(p.list))
	}
	if len(p.damaged) > 0 {
		return fmt.Errorf("make prints %d commands that can't be read, such as %.300q", len(p.damaged), p.damaged[0])
	}
	for i := range p.list {
		u := &p.list[i]
		if strings.Contains(u.Command, " -DMODULE ") && u.Module == "" {
			return fmt.Errorf("make compiles %s for a module, and names none that it is part of", u.Object)
		}
	}
	return nil
}

func (p *parser) line(line string) {
	if !strings.Contains(line, ".o") {
		return
	}
	parts := splitCommands(line)
	for i, c := range parts {
		switch {
		case strings.Contains(c, " -c -o "):
			u, ok := compileCommand(c)
			if !ok {
				if damagedForm.MatchString(c) {
					p.damaged = append(p.damaged, c)
				}
				continue
			}
			if i+1 < len(parts) {
				u.Objtool = objtoolOf(parts[i+1], u.Object)
			}
			p.add(u)
		case strings.Contains(c, "/objtool "):
			p.objtool(c)
		case strings.HasSuffix(c, ".mod"):
			p.membersOf(strings.Join(append(grouped(parts[:i], c), c), " "))
		case strings.HasSuffix(c, ".a"):
			p.archive(c)
		}
	}
}

// grouped returns the commands in front of one that stand in braces with it: "{ echo a.o",
// where the last is "} > m.mod".
func grouped(before []string, last string) []string {
	if !strings.HasPrefix(last, "}") {
		return nil
	}
	for i := len(before) - 1; i >= 0; i-- {
		if strings.HasPrefix(before[i], "{ ") {
			return slices.Clone(before[i:])
		}
	}
	return nil
}

// damagedForm is the beginning of a command for an object of the kernel.
var damagedForm = regexp.MustCompile(`^\S+(?: \S+)? -Wp,-MM?D,\S+ .* -D__KERNEL__`)

// objtoolOf returns the command behind that of the compiler when it is one of objtool, on the
// same object. Its last word is the object's clean name: for objects that a Makefile names by a
// way through other folders, make prints that way.
func objtoolOf(c, object string) string {
	words := strings.Fields(c)
	if len(words) < 2 || path.Base(words[0]) != "objtool" || path.Clean(words[len(words)-1]) != object {
		return ""
	}
	return strings.TrimSuffix(c, words[len(words)-1]) + object
}

// objtool notes a command of objtool that stands in a line of its own, behind that of the
// object, as until Linux 5.15.
func (p *parser) objtool(c string) {
	words := strings.Fields(c)
	i, ok := p.at[path.Clean(words[len(words)-1])]
	if !ok || p.list[i].Objtool != "" {
		return
	}
	p.list[i].Objtool = objtoolOf(c, p.list[i].Object)
}

func (p *parser) add(u Unit) {
	if i, ok := p.at[u.Object]; ok {
		p.list[i] = u
		return
	}
	p.at[u.Object] = len(p.list)
	p.list = append(p.list, u)
}

// splitCommands splits a line of shell at the ';' that are not quoted.
func splitCommands(line string) []string {
	var out []string
	start := 0
	var quoted byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quoted != '\'':
			i++
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '\'' || c == '"':
			quoted = c
		case c == ';':
			out = append(out, strings.TrimSpace(line[start:i]))
			start = i + 1
		}
	}
	return append(out, strings.TrimSpace(line[start:]))
}

// compileForm is the end of a compiler's command.
var compileForm = regexp.MustCompile(` -c -o (\S+\.o) (\S+\.(?:c|S))$`)

// compileCommand reads the command that makes an object of the kernel. Programs of the build
// are none: their commands lack __KERNEL__.
func compileCommand(c string) (Unit, bool) {
	m := compileForm.FindStringSubmatch(c)
	if m == nil || strings.ContainsAny(c, ";|`&\n") || strings.Contains(c, "$(") {
		return Unit{}, false
	}
	if !strings.Contains(c, " -D__KERNEL__") && !strings.Contains(c, " -D_SETUP") {
		return Unit{}, false
	}
	object, source := path.Clean(m[1]), path.Clean(m[2])
	if path.IsAbs(object) || path.IsAbs(source) || strings.HasPrefix(object, "../") || strings.HasPrefix(source, "../") {
		return Unit{}, false
	}
	return Unit{Object: object, Source: source, Command: c}, true
}

// membersOf notes the objects of a module: what is written into its list, X.mod.
func (p *parser) membersOf(c string) {
	words := strings.Fields(c)
	to := words[len(words)-1]
	if len(words) < 2 || words[len(words)-2] != ">" {
		return
	}
	module := strings.TrimSuffix(to, ".mod")
	for _, w := range words {
		if strings.HasSuffix(w, ".o") {
			name := inFolder(path.Dir(to), w)
			p.modules[name] = append(p.modules[name], module)
		}
	}
}

// archive notes the objects of an archive.
func (p *parser) archive(c string) {
	words := strings.Fields(c)
	to := words[len(words)-1]
	for _, w := range words {
		if strings.HasSuffix(w, ".o") {
			p.linked[inFolder(path.Dir(to), w)] = true
		}
	}
}

// inFolder is a name below a folder, which may have it already.
func inFolder(dir, name string) string {
	if dir == "." || strings.HasPrefix(name, dir+"/") {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}
