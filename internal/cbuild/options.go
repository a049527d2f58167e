package cbuild

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Kind is what a call of a tool does.
type Kind uint8

// The kinds.
const (
	KindNone     Kind = iota // nothing that ends up in a program: --version
	KindCompile              // objects of sources
	KindGenerate             // what may be compiled later: -S, -E
	KindLink                 // a program or a library; of sources too
	KindArchive              // ar r
	KindExtract              // ar x
)

// An Action is what a call does. Paths are absolute.
type Action struct {
	Kind    Kind
	Sources []string
	Output  string   // "" for the objects of sources without -o
	Inputs  []string // objects, archives and libraries that are linked or put in an archive
	Search  []string // folders, of -L
	Libs    []string // names, of -l
	Soname  string
	Shared  bool // a library
	Partial bool // ld -r: an object of objects
	Linker  bool // it is a linker that links, no driver
	LTO     bool // code is made by the linker
	Debug   bool // debug information was asked for
}

// toolName finds in the name of a tool which one it is, behind the name of a toolchain and before a
// version: x86_64-linux-gnu-gcc-12.
var toolName = regexp.MustCompile(`^(?:[a-z0-9_.]+-(?:[a-z0-9_.]+-)*)?(gcc|g\+\+|cc|c\+\+|c89|c99|clang|clang\+\+|ar|gcc-ar|llvm-ar|ld|ld\.bfd|ld\.gold|ld\.lld|lld)(?:-[0-9][0-9.]*)?$`)

// archivers and linkers are tools that are no drivers of compilers.
var (
	archivers = []string{"ar", "gcc-ar", "llvm-ar"}
	linkers   = []string{"ld", "ld.bfd", "ld.gold", "ld.lld", "lld"}
)

// tool returns which tool a name is one of, "" for none that is recorded.
func tool(name string) string {
	m := toolName.FindStringSubmatch(filepath.Base(name))
	if m == nil {
		return ""
	}
	return m[1]
}

// Action says what a call does.
func (c *Command) Action() Action {
	t := tool(c.Name)
	switch {
	case slices.Contains(archivers, t):
		return c.archive()
	case slices.Contains(linkers, t):
		return c.driver(true)
	case t != "":
		return c.driver(false)
	}
	return Action{}
}

// separate are options whose value is the next argument, of drivers of compilers (GCC and
// Clang) and of linkers.
var separate = strings.Fields(`-o -I -L -l -D -U -A -include -imacros -isystem -idirafter -iprefix -iwithprefix -iwithprefixbefore -iquote
	-isysroot -imultilib -MF -MT -MQ -x -T -u -z -e -Xlinker -Xassembler -Xpreprocessor -Xclang -arch -target --param -aux-info
	-dumpdir -dumpbase -dumpbase-ext -B -b -V -wrapper -mllvm -h -soname -rpath -rpath-link -dynamic-linker -m -Map -y -Y -R -G -F -f
	-a -A -c -dT -plugin -plugin-opt -version-script -assert -entry -init -fini`)

// ofLinkers are those of them that mean something else to drivers of compilers.
var ofLinkers = strings.Fields("-h -soname -rpath -rpath-link -dynamic-linker -m -Map -y -Y -R -G -F -f -a -c -dT -plugin -plugin-opt -version-script -assert -entry -init -fini")

// takesNext reports whether the value of an option is the next argument.
func takesNext(arg string, linker bool) bool {
	if !slices.Contains(separate, arg) {
		return false
	}
	return linker || !slices.Contains(ofLinkers, arg)
}

// quiet are the modes in which a driver makes nothing.
var quiet = strings.Fields("-M -MM -fsyntax-only --version -dumpversion -dumpmachine -dumpspecs -dumpfullversion --help -###")

// driver reads the arguments of a driver of compilers, or of a linker.
func (c *Command) driver(linker bool) Action {
	r := reader{c: c, linker: linker}
	for i := 0; i < len(c.Args); i++ {
		a := c.Args[i]
		if takesNext(a, linker) && i+1 < len(c.Args) {
			i++
			r.value(a, c.Args[i])
			continue
		}
		r.arg(a)
	}
	return r.done()
}

// reader collects what arguments say.
type reader struct {
	c        *Command
	linker   bool
	a        Action
	mode     string // -c, -S, -E, or "" for linking
	nothing  bool
	language string // of -x
	debug    string // the last -g
}

// value takes an option with its value.
func (r *reader) value(option, v string) {
	switch option {
	case "-o":
		r.a.Output = r.path(v)
	case "-L":
		r.a.Search = append(r.a.Search, r.path(v))
	case "-l":
		r.a.Libs = append(r.a.Libs, v)
	case "-x":
		r.language = v
	case "-Xlinker":
		r.forLinker(v)
	case "-h", "-soname":
		r.a.Soname = v
	}
}

// forLinker takes an option that a driver hands to the linker.
func (r *reader) forLinker(v string) {
	switch {
	case v == "-shared":
		r.a.Shared = true
	case v == "-r":
		r.a.Partial = true
	default:
		for _, p := range []string{"-soname=", "--soname="} {
			if name, ok := strings.CutPrefix(v, p); ok {
				r.a.Soname = name
			}
		}
	}
}

// arg takes an argument that stands alone.
func (r *reader) arg(a string) {
	switch {
	case a == "-" || a == "":
	case slices.Contains(quiet, a) || strings.HasPrefix(a, "-print-"):
		r.nothing = true
	case a == "-c" || a == "-S" || a == "-E":
		r.mode = a
	case a == "-shared" || a == "-Bshareable":
		r.a.Shared = true
	case a == "-r" || a == "--relocatable" || a == "-i" && r.linker:
		r.a.Partial = true
	case a == "-flto" || strings.HasPrefix(a, "-flto="):
		r.a.LTO = true
	case a == "-fno-lto":
		r.a.LTO = false
	case strings.HasPrefix(a, "-Wl,"):
		r.linkerList(strings.Split(a[len("-Wl,"):], ","))
	case strings.HasPrefix(a, "-L"):
		r.a.Search = append(r.a.Search, r.path(a[2:]))
	case strings.HasPrefix(a, "-l"):
		r.a.Libs = append(r.a.Libs, a[2:])
	case strings.HasPrefix(a, "-x"):
		r.language = a[2:]
	case strings.HasPrefix(a, "-o") && !strings.HasPrefix(a, "-omagic"):
		r.a.Output = r.path(a[2:])
	case strings.HasPrefix(a, "-g"):
		r.debug = a
	case strings.HasPrefix(a, "--soname="), strings.HasPrefix(a, "-soname="):
		r.forLinker(a)
	case !strings.HasPrefix(a, "-"):
		r.input(a)
	}
}

// linkerList takes what is behind -Wl, with values behind their options.
func (r *reader) linkerList(list []string) {
	for i := 0; i < len(list); i++ {
		if (list[i] == "-soname" || list[i] == "--soname" || list[i] == "-h") && i+1 < len(list) {
			i++
			r.a.Soname = list[i]
			continue
		}
		r.forLinker(list[i])
	}
}

// sourceEnds are the ends of names of what is compiled.
var sourceEnds = strings.Fields(".c .i .cc .cp .cxx .cpp .CPP .c++ .C .ii .S .sx .s .m .mm .d .f .for .f90 .F .F90")

// IsSource reports whether a file is compiled, by the end of its name.
func IsSource(name string) bool { return slices.Contains(sourceEnds, filepath.Ext(name)) }

// input takes the name of a file.
func (r *reader) input(a string) {
	p := r.path(a)
	isSource := IsSource(a)
	if r.language != "" && r.language != "none" {
		isSource = true
	}
	if isSource && !r.linker {
		r.a.Sources = append(r.a.Sources, p)
		return
	}
	r.a.Inputs = append(r.a.Inputs, p)
}

func (r *reader) path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(r.c.Dir, p)
}

// done says what it all means.
func (r *reader) done() Action {
	a := r.a
	a.Linker = r.linker
	a.Debug = r.debug != "" && r.debug != "-g0"
	switch {
	case r.nothing || len(a.Sources)+len(a.Inputs) == 0:
		return Action{}
	case r.mode == "-c":
		a.Kind = KindCompile
	case r.mode == "-S" || r.mode == "-E":
		a.Kind = KindGenerate
	default:
		a.Kind = KindLink
		if a.Output == "" {
			a.Output = r.path("a.out")
		}
	}
	if a.Kind != KindLink && len(a.Sources) == 0 {
		return Action{}
	}
	return a
}

// archive reads the arguments of ar: an operation with modifiers, the names of members that
// some of these take, the archive and its members.
func (c *Command) archive() Action {
	r := reader{c: c, linker: true}
	args := slices.Clone(c.Args)
	for len(args) > 1 && strings.HasPrefix(args[0], "--") { // --plugin NAME, --target=NAME
		if args[0] == "--plugin" || args[0] == "--target" {
			args = args[1:]
		}
		args = args[1:]
	}
	if len(args) < 2 {
		return Action{}
	}
	op := strings.TrimPrefix(args[0], "-")
	args = args[1:]
	for _, m := range "abiN" {
		if strings.ContainsRune(op, m) && len(args) > 1 {
			args = args[1:]
			break
		}
	}
	a := Action{Output: r.path(args[0])}
	for _, m := range args[1:] {
		if !strings.HasPrefix(m, "-") {
			a.Inputs = append(a.Inputs, r.path(m))
		}
	}
	switch {
	case strings.ContainsAny(op, "rq"):
		a.Kind = KindArchive
	case strings.Contains(op, "x"):
		// The archive is what is read, and its members are written here.
		a.Kind, a.Inputs, a.Output = KindExtract, []string{a.Output}, c.Dir
	default:
		return Action{}
	}
	return a
}
