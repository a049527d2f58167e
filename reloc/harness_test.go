package reloc

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/image"
)

// victims are the sources of the program that most tests match.
var victims = []string{"main", "shapes", "beta", "threads", "twins", "data"}

// config is one way to build it.
type config struct {
	opt      string // -O2
	link     string // pie, nopie, static, shared
	sections bool   // -ffunction-sections -fdata-sections
	cf       bool   // -fcf-protection
	noPLT    bool
	linker   string // "", gold
}

func (c config) String() string {
	s := c.opt + "," + c.link
	for _, o := range []struct {
		on   bool
		name string
	}{{c.sections, "sections"}, {c.cf, "cf"}, {c.noPLT, "noplt"}, {c.linker != "", c.linker}} {
		if o.on {
			s += "," + o.name
		}
	}
	return s
}

func (c config) compileArgs() []string {
	args := []string{c.opt, "-g0", "-c", "-w", "-fno-lto"}
	args = append(args, map[string]string{"pie": "-fPIE", "nopie": "-fno-pie", "static": "-fno-pie", "shared": "-fPIC"}[c.link])
	if c.sections {
		args = append(args, "-ffunction-sections", "-fdata-sections")
	}
	if c.cf {
		args = append(args, "-fcf-protection=full")
	} else {
		args = append(args, "-fcf-protection=none")
	}
	if c.noPLT {
		args = append(args, "-fno-plt")
	}
	return args
}

func (c config) linkArgs() []string {
	args := []string{map[string]string{"pie": "-pie", "nopie": "-no-pie", "static": "-static", "shared": "-shared"}[c.link]}
	if c.linker != "" {
		args = append(args, "-fuse-ld="+c.linker)
	}
	return args
}

// built is a program with all that is needed to judge a match.
type built struct {
	dir      string
	objects  []string // by victims
	image    string   // with symbols
	stripped string
}

func gcc(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// build compiles and links the sources, with names under testdata.
func build(t testing.TB, c config, names ...string) built {
	t.Helper()
	testenv.Need(t, "gcc", "strip", "readelf")
	b := built{dir: t.TempDir()}
	args := c.linkArgs()
	for _, name := range names {
		o := filepath.Join(b.dir, name+".o")
		gcc(t, append(c.compileArgs(), "-o", o, filepath.Join("testdata", name+".c"))...)
		b.objects = append(b.objects, o)
		args = append(args, o)
	}
	b.link(t, args)
	return b
}

func (b *built) link(t testing.TB, args []string) {
	t.Helper()
	b.image, b.stripped = filepath.Join(b.dir, "image"), filepath.Join(b.dir, "stripped")
	gcc(t, append(args, "-o", b.image)...)
	if out, err := exec.Command("strip", "-o", b.stripped, b.image).CombinedOutput(); err != nil {
		t.Fatalf("strip: %v\n%s", err, out)
	}
}

// oracle is what readelf says of the linked image: addresses by source file and
// name for local symbols, by name for others.
type oracle struct {
	local  map[string]map[string][]uint64
	global map[string][]uint64
	tls    map[string]bool
}

// readOracle asks readelf. Hidden symbols are local in an image, behind all
// files; gcc's own files (crtstuff.c) are like any other.
func readOracle(t testing.TB, image string) *oracle {
	t.Helper()
	out, err := exec.Command("readelf", "-sW", image).Output()
	if err != nil {
		t.Fatalf("readelf: %v", err)
	}
	o := &oracle{local: make(map[string]map[string][]uint64), global: make(map[string][]uint64), tls: make(map[string]bool)}
	file := ""
	o.local[file] = make(map[string][]uint64)
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 7 || !strings.HasSuffix(f[0], ":") || f[0] == "Num:" {
			continue
		}
		value, err := strconv.ParseUint(f[1], 16, 64)
		if err != nil {
			continue
		}
		name := ""
		if len(f) > 7 {
			name = strings.SplitN(f[7], "@", 2)[0]
		}
		switch {
		case f[3] == "FILE":
			file = name
			if o.local[file] == nil {
				o.local[file] = make(map[string][]uint64)
			}
		case f[6] == "UND" || name == "":
		case f[4] == "LOCAL":
			o.local[file][name] = append(o.local[file][name], value)
		default:
			if f[3] == "IFUNC" {
				continue // the value is the resolver, which is not what references lead to
			}
			o.global[name] = append(o.global[name], value)
			o.tls[name] = f[3] == "TLS"
		}
	}
	return o
}

// want returns where the oracle has a symbol of the object compiled from file.
func (o *oracle) want(file, name string) []uint64 {
	if l := o.local[file][name]; len(l) > 0 {
		return l
	}
	return o.global[name]
}

// score counts how a match compares with the oracle.
type score struct {
	matched, ambiguous, other, wrong, values int
	log                                      []string
}

func (s *score) add(o score) {
	s.matched += o.matched
	s.ambiguous += o.ambiguous
	s.other += o.other
	s.wrong += o.wrong
	s.values += o.values
	s.log = append(s.log, o.log...)
}

func (s score) String() string {
	return fmt.Sprintf("%d matched, %d ambiguous, %d not, %d values, %d wrong", s.matched, s.ambiguous, s.other, s.values, s.wrong)
}

// judge compares a result with the oracle. bias is what run addresses are
// higher by.
func judge(r *Result, o *oracle, file string, bias uint64) score {
	var s score
	has := func(list []uint64, v uint64) bool {
		for _, x := range list {
			if x == v {
				return true
			}
		}
		return false
	}
	for _, f := range r.Functions {
		want := o.want(file, f.Name)
		switch {
		case f.Verdict == Matched && (f.Name == "" || has(want, f.Address-bias)):
			s.matched++
		case f.Verdict == Matched:
			s.wrong++
			s.log = append(s.log, fmt.Sprintf("%s %s: matched at %#x by %v, is at %#x", file, f.Name, f.Address-bias, f.By, want))
		case f.Verdict == Ambiguous:
			s.ambiguous++
			s.log = append(s.log, fmt.Sprintf("%s %s: ambiguous, %#x more=%v, is at %#x", file, f.Name, f.Candidates, f.More, want))
			if !f.More && len(want) > 0 && !has(f.Candidates, want[0]+bias) {
				s.wrong++
			}
		default:
			s.other++
			s.log = append(s.log, fmt.Sprintf("%s %s: %v, is at %#x: %+v", file, f.Name, f.Verdict, want, f.Mismatch))
		}
	}
	for _, v := range r.Symbols {
		want := o.want(file, v.Name)
		if len(want) == 0 {
			continue
		}
		got := v.Address - bias
		switch {
		case o.tls[v.Name] || v.Has&(UseTPOff|UseTLS) != 0:
			if v.Has&UseTLS == 0 {
				continue
			}
			got = v.TLS
		case v.Has&UseAddress == 0:
			continue
		}
		s.values++
		if !has(want, got) {
			s.wrong++
			s.log = append(s.log, fmt.Sprintf("%s: value of %s is %#x, should be %#x", file, v.Name, got, want))
		}
	}
	return s
}

func mustOpen(t testing.TB, path string) *object.Object {
	t.Helper()
	o, err := elfdiff.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func mustImage(t testing.TB, path string) *image.Image {
	t.Helper()
	img, err := image.OpenELF(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

func mustOpenKernel(t testing.TB, path string) *image.Image {
	t.Helper()
	img, err := image.OpenKernel(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

func mustMatch(t testing.TB, pre *object.Object, img *image.Image, opt Options) *Result {
	t.Helper()
	r, err := Match(context.Background(), pre, img, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
