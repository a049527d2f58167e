package image

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kallsyms"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// ErrHidden says that the kernel does not show addresses to this process.
var ErrHidden = errors.New("the kernel hides its addresses")

// OpenRunning opens the kernel that this machine runs, and its modules: memory
// through /proc/kcore, symbols of /proc/kallsyms. It needs root, and a kernel
// that is not locked down for confidentiality (kernel_lockdown(7)).
func OpenRunning() (*Image, error) { return OpenRunningContext(context.Background()) }

// OpenRunningContext is [OpenRunning] that ends with the error of ctx once that is done, as
// [NewRunningContext] does.
func OpenRunningContext(ctx context.Context) (*Image, error) {
	return NewRunningContext(ctx, os.DirFS("/"))
}

// NewRunning opens a running kernel whose files are in root: proc/kcore, which
// has to be an io.ReaderAt, proc/kallsyms, proc/modules, and below sys/module
// what there is of each module. It is meant for the files of a guest.
//
// The first module is the kernel, "vmlinux"; its Bias is the distance that
// KASLR moved it, which VMCOREINFO tells and the symbols have to agree with. The
// others are those that are loaded. What belongs to the kernel or to a module
// when it starts, and is freed then, has addresses but can't be read.
//
// Code that was made at run time (BPF, trampolines) has its symbols, of no
// module, and can't be read either. An error is [ErrHidden] when there are no
// addresses to be seen.
func NewRunning(root fs.FS) (*Image, error) { return NewRunningContext(context.Background(), root) }

// NewRunningContext is [NewRunning] that ends with the error of ctx once that is done, between
// its steps: memory, symbols, the kernel, its modules. What is read later does not depend on
// ctx.
func NewRunningContext(ctx context.Context, root fs.FS) (*Image, error) {
	if root == nil {
		return nil, errors.New("running kernel: no files are given")
	}
	r := &runningOpener{root: root, modules: map[string]int{"": 0, "bpf": NoModule, "__builtin__ftrace": NoModule, "__builtin__kprobes": NoModule}}
	img, err := r.open(ctx)
	if err != nil {
		if r.closer != nil {
			r.closer.Close()
		}
		return nil, nameError(err)
	}
	return img, nil
}

// runningOpener is a running kernel while it is opened.
type runningOpener struct {
	root    fs.FS
	closer  io.Closer
	kcore   *elfobj.File
	info    vmcoreinfo
	list    []kallsyms.Symbol
	modules map[string]int // by the name in kallsyms
	parts   imageParts
}

func (r *runningOpener) open(ctx context.Context) (*Image, error) {
	for _, step := range []func() error{r.openKcore, r.readKallsyms, r.addKernel, r.addModules} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := step(); err != nil {
			return nil, err
		}
	}
	r.parts.symbols = kallsymsSymbols(r.list, r.modules)
	r.parts.live = true
	r.parts.closers = []io.Closer{r.closer}
	return newImage(r.parts)
}

const (
	kcorePath    = "proc/kcore"
	kallsymsPath = "proc/kallsyms"
)

func (r *runningOpener) openKcore() error {
	f, err := r.root.Open(kcorePath)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: reading kernel memory needs root with CAP_SYS_RAWIO, and no lockdown for confidentiality", err)
	case err != nil:
		return err
	}
	r.closer = f
	at, ok := f.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("%s: can't be read at offsets: %w", kcorePath, errors.ErrUnsupported)
	}
	size := int64(math.MaxInt64)
	if st, err := f.Stat(); err == nil && st.Size() > 0 {
		size = st.Size()
	}
	if r.kcore, err = elfobj.NewFile(at, size); err != nil {
		return fmt.Errorf("%s: %w", kcorePath, err)
	}
	if r.kcore.Type != elf.ET_CORE {
		return fmt.Errorf("%s: %v is no core: %w", kcorePath, r.kcore.Type, errors.ErrUnsupported)
	}
	r.parts.mem = fileMemory{r.kcore}
	if r.info, err = readVmcoreinfo(at, r.kcore.Progs); err != nil {
		return fmt.Errorf("%s: %w", kcorePath, err)
	}
	return nil
}

func (r *runningOpener) readKallsyms() error {
	f, err := r.root.Open(kallsymsPath)
	if err != nil {
		return err
	}
	defer f.Close()
	if r.list, err = kallsyms.Parse(f); err != nil {
		return fmt.Errorf("%s: %w", kallsymsPath, err)
	}
	if len(r.list) == 0 {
		return fmt.Errorf("%s: no symbols; was the kernel built with CONFIG_KALLSYMS?", kallsymsPath)
	}
	if !slices.ContainsFunc(r.list, func(s kallsyms.Symbol) bool { return s.Addr != 0 }) {
		return fmt.Errorf("%s: %w: all are 0; it needs CAP_SYSLOG, and kernel.kptr_restrict below 2", kallsymsPath, ErrHidden)
	}
	return nil
}

// marks are the addresses of the kernel's symbols that say where things are.
func (r *runningOpener) marks() (kernelMarks, error) {
	m := make(kernelMarks)
	for i := range r.list {
		if s := &r.list[i]; s.Module == "" && markNames[s.Name] {
			m[s.Name] = s.Addr
		}
	}
	if err := m.complete(); err != nil {
		return nil, fmt.Errorf("%s: %w", kallsymsPath, err)
	}
	return m, nil
}

// addKernel makes the first module, and checks that all sources talk about the
// same kernel at the same place.
func (r *runningOpener) addKernel() error {
	m, err := r.marks()
	if err != nil {
		return err
	}
	slide, err := r.info.slide(m)
	if err != nil {
		return err
	}
	mod := Module{Name: kernelName, Path: "/" + kcorePath, Bias: slide, Start: m[kerneltab.ImageStart], End: m[kerneltab.ImageEnd], Main: true}
	mod.BuildID = readBuildID(r.parts.mem, m[kerneltab.NotesStart], m[kerneltab.NotesEnd]-m[kerneltab.NotesStart])
	switch want := r.info.buildID; {
	case m[kerneltab.NotesEnd] == 0:
		mod.BuildID = want
	case want != nil && !bytes.Equal(want, mod.BuildID):
		return fmt.Errorf("build-id %x in VMCOREINFO, %x in memory", want, mod.BuildID)
	}
	r.parts.modules = []Module{mod}
	regions, err := m.regions()
	r.parts.regions = regions
	return err
}

// addModules adds the modules that are loaded. One that is about to come or to go
// is left out.
func (r *runningOpener) addModules() error {
	list, err := readProcModules(r.root)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b procModule) int { return cmp.Compare(a.base, b.base) })
	for i := range list {
		p := &list[i]
		sections, err := readSections(r.root, p.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		index := len(r.parts.modules)
		regions := p.regions(sections, r.lastSymbols(p.name), index)
		if len(regions) == 0 {
			continue
		}
		mod := Module{Name: p.name}
		mod.BuildID = noteFile(r.root, "sys/module/"+p.name+"/notes/.note.gnu.build-id")
		r.modules[p.name] = index
		r.parts.modules = append(r.parts.modules, mod)
		r.parts.regions = append(r.parts.regions, regions...)
	}
	r.clip()
	r.parts.regions = append(r.parts.regions, gaps(r.parts.regions, modulesStart, kernelEnd)...)
	return nil
}

// clip ends the regions of modules where another one's begins: beginnings are
// known, ends are not. Then it is known where modules are.
func (r *runningOpener) clip() {
	list := r.parts.regions
	slices.SortFunc(list, func(a, b Region) int { return cmp.Compare(a.Start, b.Start) })
	for i := range list {
		if i+1 < len(list) && list[i].Module > 0 {
			list[i].End = min(list[i].End, list[i+1].Start)
		}
		if m := list[i].Module; m > 0 {
			mod := &r.parts.modules[m]
			if mod.Start == 0 {
				mod.Start = list[i].Start
			}
			mod.End = max(mod.End, list[i].End)
		}
	}
	r.parts.regions = slices.DeleteFunc(list, func(r Region) bool { return r.Start >= r.End })
}

// lastSymbols returns the addresses of a module's symbols, ascending.
func (r *runningOpener) lastSymbols(name string) []uint64 {
	var out []uint64
	for i := range r.list {
		if s := &r.list[i]; s.Module == name {
			out = append(out, s.Addr)
		}
	}
	slices.Sort(out)
	return out
}

// modulesStart is where the area for modules begins: MODULES_VADDR of
// arch/x86/include/asm/pgtable_64_types.h with CONFIG_RANDOMIZE_BASE. It ends at
// kernelEnd.
const modulesStart = 0xffffffffc0000000

// gaps returns regions for what is not covered between two addresses: code that
// was made at run time may be there, but nothing says where.
func gaps(regions []Region, start, end uint64) []Region {
	list := slices.Clone(regions)
	slices.SortFunc(list, func(a, b Region) int { return cmp.Compare(a.Start, b.Start) })
	var out []Region
	for _, r := range append(list, Region{Start: end, End: end}) {
		if r.End < start {
			continue
		}
		if at := min(r.Start, end); at > start {
			out = append(out, Region{Start: start, End: at, Write: true, Exec: true, Volatile: true, Unknown: true, Module: NoModule})
		}
		start = max(start, r.End)
	}
	return out
}

// noteFile returns the build-id in a file of sysfs that holds one note, nil when
// there is none.
func noteFile(root fs.FS, name string) []byte {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return nil
	}
	return readBuildID(Segments{{Data: b}}, 0, uint64(len(b)))
}

// trimHex cuts the 0x of a number.
func trimHex(s string) string { return strings.TrimPrefix(strings.TrimSpace(s), "0x") }
