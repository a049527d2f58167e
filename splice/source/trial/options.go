package trial

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/bzimage"
	"github.com/gosplice/gosplice/internal/need"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/distro"
)

// Options says what to try. Boot, Modules and Update are required.
type Options struct {
	Boot    string         // the kernel's vmlinuz
	Modules string         // the folder of its modules, lib/modules/RELEASE
	Update  *module.Module // of module.Build, or of module.Read, which does not say which functions there are
	// Earlier is an update that Update replaces (module.Options.Earlier): it is loaded before,
	// and unloaded when Update has taken its place.
	Earlier *module.Module
	// Targets are modules that are loaded before the update, with what they depend on: by
	// name, or by the path of a file when there is a slash in it. nil are those that the
	// update changes, but for those in Later.
	Targets []string
	// Elsewhere are files of modules that are not below Modules: those are loaded where their names
	// come up, and before what needs them.
	Elsewhere []string
	// Later are modules that are loaded when the update is in place.
	Later []string
	// Again has the modules that the update changes unloaded and loaded again while it is
	// in place, as far as they are not in use.
	Again bool
	// Exercise is a program for the guest: a file of this machine. It runs before the
	// update is loaded, while it is in place, and after it, and ends with 0 when all is
	// as it should be; the environment variable GOSPLICE_PHASE is "before", "patched" or
	// "reverted". A statically linked program always runs; a script for the shell needs
	// Busybox.
	Exercise string
	Args     []string // of Exercise
	// Files maps paths in the guest to files of this machine that are copied there.
	Files map[string]string
	// Busybox is a statically linked busybox, whose commands the guest has then. "" is the
	// one of this machine, if there is one.
	Busybox string
	Guest   Guest
	Limits  Limits
	// Allow are regular expressions for lines of the kernel's log that are no findings.
	Allow []string
	// Cache is the folder that keeps the program that runs in guests. "" is the one that
	// GOSPLICE_CACHE names, or gosplice in the user's folder for such.
	Cache string
	// Progress, when set, is told when a stage begins, and when it is over.
	Progress func(stage string, done, total int)
}

// Guest is the machine to boot. The zero value will do.
type Guest struct {
	CPUs      int      // 1 by default: with more, emulated kernels were seen to hang while their code is patched
	Memory    int      // MiB, 512 by default
	Processor string   // as for QEMU's option -cpu; "qemu64" by default
	Cmdline   []string // words that the kernel's command line has beside those of Run
}

// Limits bounds what may not come to an end. Zero values are the defaults.
type Limits struct {
	Transition time.Duration // until all tasks have gone over, and until the module can be removed: 3 minutes
	Exercise   time.Duration // of each run: 5 minutes
}

// MissingError tells which commands are missing, and how to install them.
type MissingError = distro.MissingError

const (
	interpreter   = "/bin/sh"
	busyboxPath   = "/bin/busybox"
	exerciseDir   = "/exercise/"
	goCommand     = "go"
	busyboxName   = "busybox"
	defaultLimit  = 3 * time.Minute
	defaultScript = 5 * time.Minute
)

// plan is what the options come to.
type plan struct {
	Options
	kernel   *vm.Kernel
	busybox  string   // "" for none
	exercise []string // how it is called in the guest; nil for none
}

// prepareGuest checks what a guest needs.
func (o *Options) prepareGuest() (*plan, error) {
	p := &plan{Options: *o}
	release, err := readRelease(o.Boot)
	if err != nil {
		return nil, fmt.Errorf("kernel to try it with: %w", err)
	}
	if st, err := os.Stat(o.Modules); err != nil || !st.IsDir() {
		return nil, fmt.Errorf("modules of %s: %w", release, cmp.Or(err, fmt.Errorf("%s is no folder", o.Modules)))
	}
	p.kernel = &vm.Kernel{Release: release, Image: o.Boot, ModuleDir: o.Modules}
	if p.busybox, err = findBusybox(o.Busybox); err != nil {
		return nil, err
	}
	return p, p.missing()
}

// prepare checks the options, and what the machine has.
func (o *Options) prepare() (*plan, error) {
	if o.Update == nil {
		return nil, errors.New("there is no update to try")
	}
	p, err := o.prepareGuest()
	var missing *MissingError
	if err != nil && !errors.As(err, &missing) { // there may be more that is missing
		return nil, err
	}
	p.Limits.Transition = cmp.Or(p.Limits.Transition, defaultLimit)
	p.Limits.Exercise = cmp.Or(p.Limits.Exercise, defaultScript)
	if p.Targets == nil {
		p.Targets = p.changed()
	}
	if err := p.prepareExercise(); err != nil {
		return nil, err
	}
	return p, p.missing()
}

// changed lists the modules that the update changes, but for those that come later.
func (p *plan) changed() []string {
	var list []string
	for _, f := range p.Update.Functions {
		if f.Module != "" && !slices.Contains(list, f.Module) && !slices.Contains(p.Later, f.Module) {
			list = append(list, f.Module)
		}
	}
	return list
}

// missing says which commands are missing.
func (p *plan) missing() error {
	commands := []string{vm.Emulator}
	if !vm.GuestBuilt(p.Cache) {
		commands = append(commands, goCommand)
	}
	lost, packages := need.Missing(commands...)
	if p.exercise != nil && p.exercise[0] == interpreter && p.busybox == "" {
		lost, packages = append(lost, busyboxName), append(packages, need.Package(busyboxName))
	}
	if len(lost) == 0 {
		return nil
	}
	slices.Sort(lost)
	slices.Sort(packages)
	return &MissingError{Commands: lost, Packages: packages}
}

// readRelease reads what kernel a vmlinuz is.
func readRelease(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	h, err := bzimage.ReadHeader(f, st.Size())
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	release, _, _ := strings.Cut(h.KernelVersion, " ")
	return release, nil
}

// findBusybox returns the path of a busybox that needs no libraries, "" when there is none
// and none is asked for.
func findBusybox(asked string) (string, error) {
	if asked != "" {
		if static, err := isStatic(asked); err != nil {
			return "", fmt.Errorf("busybox for the guest: %w", err)
		} else if !static {
			return "", fmt.Errorf("busybox for the guest: %s is not linked statically (Debian's package %s has one that is)", asked, need.Package(busyboxName))
		}
		return asked, nil
	}
	path, err := exec.LookPath(busyboxName)
	if err != nil {
		return "", nil
	}
	if static, err := isStatic(path); err != nil || !static {
		return "", nil
	}
	return path, nil
}

// isStatic reports whether a program needs no interpreter.
func isStatic(path string) (bool, error) {
	f, err := elf.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }), nil
}

// prepareExercise finds out how the exercise is called in the guest.
func (p *plan) prepareExercise() error {
	if p.Exercise == "" {
		return nil
	}
	path := exerciseDir + filepath.Base(p.Exercise)
	b, err := os.ReadFile(p.Exercise)
	if err != nil {
		return fmt.Errorf("exercise: %w", err)
	}
	if p.exercise = []string{path}; !bytes.HasPrefix(b, []byte(elf.ELFMAG)) {
		p.exercise = []string{interpreter, path}
	} else if static, err := isStatic(p.Exercise); err != nil {
		return fmt.Errorf("exercise: %s: %w", p.Exercise, err)
	} else if !static {
		return fmt.Errorf("exercise: %s is not linked statically, and the guest has no libraries", p.Exercise)
	}
	p.exercise = append(p.exercise, p.Args...)
	return nil
}
