package api

import (
	"fmt"
	"slices"
	"strings"
)

// A Budget is what a public package may depend on, in any depth.
type Budget struct {
	Path string // below the module
	// Modules are those of others, without golang.org/x/ and github.com/.
	Modules []string
	// Std are the packages of the standard library among the watched ones.
	Std []string
}

// btfModule is the library for BTF. Who may depend on it may on what comes with it: parsers
// and formatters of Go, flags, processes.
const btfModule = "cilium/ebpf"

// Budgets is the table of public packages, from the lowest layer to the highest: each may
// depend on those above it in the table, and on no other.
var Budgets = []Budget{
	{"elfdiff/finding", nil, []string{"encoding/json"}},
	{"elfdiff/elfobj", []string{"klauspost/compress"}, nil},
	{"elfdiff/object", []string{"klauspost/compress", "arch"}, []string{"encoding/json"}},
	{"elfdiff/types", []string{"klauspost/compress", "arch"}, []string{"encoding/json"}},
	{"elfdiff/verdict", []string{"klauspost/compress", "arch"}, []string{"encoding/json"}},
	{"elfdiff/extract", []string{"klauspost/compress", "arch"}, []string{"encoding/json"}},
	{"elfdiff/explain", []string{"klauspost/compress", "arch"}, []string{"encoding/json"}},
	{"elfdiff", []string{"klauspost/compress", "arch"}, []string{"encoding/json"}},
	{"elfdiff/listing", []string{"klauspost/compress", "arch"}, []string{"encoding/json"}},
	// Reports for people and pipelines have templates.
	{"elfdiff/report", []string{"klauspost/compress", "arch", "sync"}, []string{"encoding/json", "html/template", "text/template", "regexp", "embed"}},
	// Images unpack kernels and ask the system for processes.
	{"reloc/image", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys"}, []string{"encoding/json"}},
	{"reloc/image/gdb", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys"}, []string{"encoding/json", "net"}},
	// Matching needs nothing of how objects are compared: no debug information, no types.
	{"reloc", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync"}, []string{"encoding/json", "log/slog"}},
	// The audit reads the structures of the kernel's tables.
	{"reloc/audit", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json"}},
	{"splice", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync"}, []string{"encoding/json", "log/slog"}},
	{"splice/process", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync"}, []string{"encoding/json", "log/slog"}},
	{"splice/process/machine", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync"}, []string{"encoding/json", "log/slog"}},
	// Modules are laid out by BTF, and signed; the kernel's objtool is run.
	{"splice/module", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed"}},
	// What is wrong with a module is found in its file and a kernel's.
	{"splice/module/lint", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed"}},
	// A bundle compares types with those of BTF.
	{"splice/module/bundle", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed"}},
	{"splice/module/running", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed"}},
	{"splice/module/running/verify", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed"}},
	{"splice/module/running/fixes", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed"}},
	{"splice/module/running/foresee", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed"}},
	// A store verifies signatures as the kernel has them.
	{"splice/module/store", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "smallstep/pkcs7", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed"}},
	// Fixes in processes have the words of those in kernels.
	{"splice/process/machine/fixes", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed"}},
	{"splice/source/patch", nil, []string{"encoding/json"}},
	// Packages of Debian come through apt, and hold kernels that can be booted.
	{"splice/source/distro", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "net", "embed", "os/exec", "regexp"}},
	// A trial boots kernels, looks into their memory, and tells what it saw.
	{"splice/source/trial", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed", "os/exec", "regexp"}},
	// Updates from source run make and compilers, and read patches.
	{"splice/source", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed", "os/exec", "regexp"}},
	// Programs are built, and matched with what is installed; results have the form of those of kernels.
	{"splice/source/program", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed", "os/exec", "regexp"}},
	// Its reports have templates.
	{"splice/source/report", []string{"klauspost/compress", "mikelolasagasti/xz", "pierrec/lz4", "arch", "sys", "sync", btfModule}, []string{"encoding/json", "log/slog", "crypto/x509", "net", "embed", "os/exec", "regexp", "html/template", "text/template"}},
}

// watched are packages of the standard library that cost something, or that have no business
// in a library; withBTF come with the library for BTF.
var (
	watched = []string{
		"flag", "testing", "net", "net/http", "go/ast", "go/parser", "go/format", "os/exec", "encoding/json", "encoding/xml", "encoding/gob",
		"html/template", "text/template", "regexp", "crypto/x509", "log/slog", "embed", "plugin", "expvar", "database/sql",
	}
	withBTF = []string{"flag", "go/ast", "go/parser", "go/format", "os/exec", "encoding/xml"}
)

// leaves are the public packages that internal packages may import: they know nothing of
// the module but names and texts.
var leaves = []string{"elfdiff/elfobj", "elfdiff/finding"}

// Overdrawn says what packages depend on and may not, by [Budgets]: the public ones in any
// depth, the internal ones by their imports, but for those that only tests and tools use.
func Overdrawn(public []Package, internal map[string][]string) []string {
	var out []string
	for _, p := range public {
		i := slices.IndexFunc(Budgets, func(b Budget) bool { return b.Path == p.Path })
		if i < 0 {
			out = append(out, fmt.Sprintf("%s has no row in Budgets", p.Path))
			continue
		}
		for _, dep := range p.Deps {
			if why := Budgets[i].forbids(i, dep); why != "" {
				out = append(out, fmt.Sprintf("%s depends on %s: %s", p.Path, dep, why))
			}
		}
	}
	for path, imports := range internal {
		for _, dep := range imports {
			if own, ok := strings.CutPrefix(dep, Module+"/"); ok && !isInternal(dep) && !slices.Contains(leaves, own) {
				out = append(out, fmt.Sprintf("%s imports %s, which stands on it", path, own))
			}
		}
	}
	slices.Sort(out)
	return out
}

// forbids says why row i of the table may not depend on a package, "" when it may.
func (b *Budget) forbids(i int, dep string) string {
	own, ok := strings.CutPrefix(dep, Module+"/")
	switch {
	case ok && isInternal(dep):
		return ""
	case ok && !slices.ContainsFunc(Budgets[:i], func(b Budget) bool { return b.Path == own }):
		return "it is of a higher layer"
	case ok:
		return ""
	case isStandard(dep):
		if slices.Contains(watched, dep) && !slices.Contains(b.Std, dep) && !(slices.Contains(b.Modules, btfModule) && slices.Contains(withBTF, dep)) {
			return "it is not in its budget"
		}
		return ""
	}
	name := strings.TrimPrefix(strings.TrimPrefix(dep, "golang.org/x/"), "github.com/")
	if !slices.ContainsFunc(b.Modules, func(m string) bool { return name == m || strings.HasPrefix(name, m+"/") }) {
		return "it is not in its budget"
	}
	return ""
}

// isStandard reports whether a package is of the standard library: what is not begins with the
// name of a host.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
