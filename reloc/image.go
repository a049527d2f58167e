package reloc

import (
	"github.com/gosplice/gosplice/reloc/image"
)

// What most users need of package image, which has the rest: an image, what it is made of,
// and the functions that open one.
type (
	Image         = image.Image
	Memory        = image.Memory
	Region        = image.Region
	Module        = image.Module
	Symbol        = image.Symbol
	Segment       = image.Segment
	Segments      = image.Segments
	AddrError     = image.AddrError
	ModuleOptions = image.ModuleOptions
	Patch         = image.Patch
	PatchKind     = image.PatchKind
)

// What someone may have done to code that runs; see [image.PatchKind].
const (
	PatchTraced     = image.PatchTraced
	PatchBreakpoint = image.PatchBreakpoint
	PatchProbeJump  = image.PatchProbeJump
	PatchLivepatch  = image.PatchLivepatch
	PatchJump       = image.PatchJump
)

// NoModule is the Module of what belongs to no mapped file.
const NoModule = image.NoModule

// What may be wrong with what an image is made from; see package image.
var (
	ErrNotKernel  = image.ErrNotKernel
	ErrOtherBuild = image.ErrOtherBuild
	ErrGone       = image.ErrGone
	ErrUnmapped   = image.ErrUnmapped
)

// Open opens a file that is recognised by its content; see [image.Open].
func Open(path string, opt ModuleOptions) (*Image, error) { return image.Open(path, opt) }

// OpenELF opens a program or library; see [image.OpenELF].
func OpenELF(path string) (*Image, error) { return image.OpenELF(path) }

// OpenKernel opens a vmlinux or vmlinuz; see [image.OpenKernel].
func OpenKernel(path string) (*Image, error) { return image.OpenKernel(path) }

// OpenModule opens a module of a kernel; see [image.OpenModule].
func OpenModule(path string, opt ModuleOptions) (*Image, error) { return image.OpenModule(path, opt) }

// OpenProcess opens a live process; see [image.OpenProcess].
func OpenProcess(pid int) (*Image, error) { return image.OpenProcess(pid) }

// OpenRunning opens the kernel that this machine runs; see [image.OpenRunning].
func OpenRunning() (*Image, error) { return image.OpenRunning() }

// NewImage makes an image of memory that the caller knows how to read; see
// [image.NewImage].
func NewImage(mem Memory, regions []Region, modules []Module, symbols []Symbol) (*Image, error) {
	return image.NewImage(mem, regions, modules, symbols)
}

// ReadModule describes the program or library that is mapped at an address; see
// [image.ReadModule].
func ReadModule(mem Memory, start uint64, path string, module int) (Module, []Symbol, error) {
	return image.ReadModule(mem, start, path, module)
}

// NewSegments makes a memory of parts; see [image.NewSegments].
func NewSegments(parts ...Segment) (Segments, error) { return image.NewSegments(parts...) }
