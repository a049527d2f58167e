package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source"
)

// options are what the command line says.
type options struct {
	kernel  kernelOptions
	program programOptions
	module  module.Options
	compare compareOptions
	make    makeOptions
	how     howOptions
	out     outOptions
	bundle  bundleOptions
	targets []targetFile
	args    []string // behind the flags: patches, or pre and post in turn
	form    form
	flags   *cli.Flags
	given   []string // the flags as they were given
}

// kernelOptions say which kernel.
type kernelOptions struct {
	release            string // -kernel
	src, config        string
	run, modules, boot string
	symvers, objtool   string
	outOfTree          []source.OutOfTree
	moduleMake         []string // what make was told of these
	extraSymvers       []string
	tasks              bool
	probe              string // -probe
}

type compareOptions struct{ inPlace, initials bool }

// makeOptions say with what it is compiled.
type makeOptions struct {
	cc, buildroot, cache string
	jobs                 int // -j
}

// howOptions say what is made of several patches, and what else is to be done.
type howOptions struct {
	series          []string
	byFile          bool
	each, keepGoing bool
	only            int // with each; 0 is all
	jobs            bool
	collect         string
	clean           cleanFlag
	try             bool
	exercise        string
	replaces        string // -replace=FILE.ko
}

// outOptions say where it goes.
type outOptions struct {
	file, dir string // -o, -out
	bundle    string
	key, cert string
	dry, json bool
	verbose   bool
}

// targetFile is a module that is patched.
type targetFile struct{ name, path string }

// addTarget reads MODULE=FILE.
func (o *options) addTarget(s string) error {
	name, path, ok := strings.Cut(s, "=")
	name = strings.ReplaceAll(name, "-", "_") // as the kernel has it
	if !ok || name == "" || path == "" {
		return fmt.Errorf("%q is not MODULE=FILE", s)
	}
	for _, t := range o.targets {
		if t.name == name {
			return fmt.Errorf("%s is given twice", name)
		}
	}
	o.targets = append(o.targets, targetFile{name, path})
	return nil
}

// isRunning reports whether the kernel that runs here is meant, without its vmlinux.
func (o *kernelOptions) isRunning() bool { return o.run == source.ImageRunning }

// addModule reads FILE.ko, or FILE.ko=DIR.
func (o *kernelOptions) addModule(s string) error {
	file, dir, ok := strings.Cut(s, "=")
	if file == "" || ok && dir == "" || ok && o.moduleAwaits() {
		return fmt.Errorf("%q is not FILE.ko=DIR, or FILE.ko with -src DIR behind it", s)
	}
	o.outOfTree = append(o.outOfTree, source.OutOfTree{File: file, Source: dir})
	return nil
}

// moduleAwaits reports whether a module has no source yet: -src is it.
func (o *kernelOptions) moduleAwaits() bool {
	n := len(o.outOfTree)
	return n > 0 && o.outOfTree[n-1].Source == ""
}

// setSource takes the folder of the source of modules behind -module, else that of the kernel's.
func (o *kernelOptions) setSource(s string) error {
	if !o.moduleAwaits() {
		o.src = s
		return nil
	}
	for i := range o.outOfTree {
		if o.outOfTree[i].Source == "" {
			o.outOfTree[i].Source = s
		}
	}
	return nil
}

// cleanFlag is -clean, with an age if it has one.
type cleanFlag struct {
	on  bool
	age time.Duration
}

// IsBoolFlag lets it stand alone.
func (c *cleanFlag) IsBoolFlag() bool { return true }

// String is for package flag.
func (c *cleanFlag) String() string { return "" }

// Set reads an age: 12h, 30d.
func (c *cleanFlag) Set(s string) error {
	c.on = true
	if s == "true" {
		return nil
	}
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no number of days", days)
		}
		c.age = time.Duration(n) * 24 * time.Hour
		return nil
	}
	age, err := time.ParseDuration(s)
	if err != nil || age < 0 {
		return fmt.Errorf("%q is no age, such as 12h or 30d", s)
	}
	c.age = age
	return nil
}

// replaceFlag is -replace, with the file of an earlier update if it has one.
type replaceFlag options

// IsBoolFlag lets it stand alone.
func (r *replaceFlag) IsBoolFlag() bool { return true }

// String is for package flag.
func (r *replaceFlag) String() string { return "" }

// Set reads the file's name.
func (r *replaceFlag) Set(s string) error {
	switch s {
	case "true", "false":
		r.module.Replace = s == "true"
		return nil
	}
	if !strings.HasSuffix(s, ".ko") {
		return fmt.Errorf("%q is no FILE.ko", s)
	}
	r.module.Replace, r.how.replaces = true, s
	return nil
}

// joinReplace has -replace FILE.ko be one word: it may stand alone too.
func joinReplace(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		if (a == "-replace" || a == "--replace") && i+1 < len(args) && strings.HasSuffix(args[i+1], ".ko") {
			i++
			a += "=" + args[i]
		}
		out = append(out, a)
	}
	return out
}

// readEarlier reads the update that the new one replaces.
func (o *options) readEarlier() error {
	if o.how.replaces == "" {
		return nil
	}
	f, err := files.Open(o.how.replaces)
	if err != nil {
		return err
	}
	defer f.Close()
	if o.module.Earlier, err = module.Read(f); err != nil {
		return fmt.Errorf("-replace %s: %w", o.how.replaces, err)
	}
	return nil
}

// define makes the flags, which fill the options.
func (o *options) define() *cli.Flags {
	f := tool.Flags()
	o.flags = f
	o.defineKernel(f)
	o.defineHow(f)
	o.definePrograms(f)
	f.StringVar(&o.module.Name, "name", "", "`NAME` of the module; made of the patch's unless given; with -each it goes before these")
	f.StringVar(&o.module.Description, "description", "", "what the module says of itself, a `TEXT`; the patch's subject unless given")
	f.List(&o.module.Fixes, "fixes", "what it fixes, a `TEXT` such as a CVE number; what patches say unless given")
	f.Var((*replaceFlag)(o), "replace", "take the place of all active livepatches; with a `FILE.ko`, of that one: what it does and the new one does not is judged, and what it wrote to data stays")
	f.Accept(&o.module.Accept)
	f.InPlace(&o.compare.inPlace)
	f.Initials(&o.compare.initials)
	f.StringVar(&o.module.Unpin, "unpin", "", "let the module be removed although addresses of what it brings along are kept, for this `REASON`: callbacks of the patch take them back")
	f.Probes(&o.module.Probes)
	f.BoolVar(&o.module.NoJumps, "no-jumps", false, "have no function taken over by a jump")
	f.StringVar(&o.out.file, "o", "", "where to write the module, `FILE.ko`; NAME.ko unless given; its report is beside it; of programs, what the names of updates begin with: NAME for NAME.PROGRAM.update")
	f.StringVar(&o.out.dir, "out", "", "the folder for modules and reports, a `DIR`")
	f.StringVar(&o.out.bundle, "bundle", "", "with patches: keep the objects too, for kernels of other builds, in this `FILE`; with -each, as NAME.bundle in this folder; there, mkupdate -run kcore FILE makes the module of them")
	f.StringVar(&o.out.key, "key", "", "sign the module with the key in this `FILE` (PEM)")
	f.StringVar(&o.out.cert, "cert", "", "and the certificate in this `FILE` (PEM or DER), which the kernel knows")
	f.DryRun(&o.out.dry, "write nothing")
	f.BoolVar(&o.out.verbose, "v", false, "list also what is the same")
	f.JSON(&o.out.json)
	return f
}

func (o *options) defineKernel(f *cli.Flags) {
	k := &o.kernel
	f.StringVar(&k.release, "kernel", "", "a kernel of Debian, a `RELEASE` as uname -r prints it; the one that runs here unless given")
	f.StringVar(&k.probe, "probe", "", "say what is found of a kernel, `VMLINUZ` or vmlinux, and whether it is of a generation that is known")
	f.Func("src", "or: its source, a `DIR` or an archive; behind -module FILE.ko, that module's source", k.setSource)
	f.StringVar(&k.config, "config", "", "with -src: its configuration, a `FILE`; with -run kcore, that of the kernel that runs unless given")
	f.StringVar(&k.run, "run", "", "with -src, or for objects: its image, with symbols: `VMLINUX`; or kcore, the kernel that runs here, without its vmlinux")
	f.StringVar(&k.modules, "modules", "", "with -src, or for a bundle: its modules, a `DIR` as lib/modules/RELEASE; with -run kcore, those of the kernel that runs unless given")
	f.StringVar(&k.boot, "boot", "", "with -src: what boots it, for -try: `VMLINUZ`")
	f.StringVar(&k.symvers, "symvers", "", "its Module.symvers, a `FILE`; CRCs come from the image without it")
	f.StringVar(&k.objtool, "objtool", "", "the kernel's objtool at `PATH`; for objects, it is run on copies first")
	f.Func("module", "patches are of a module whose source is elsewhere, of DKMS or your own: its file, and the folder of its source: `FILE.ko` with -src DIR behind it, or FILE.ko=DIR; may be repeated for others of the folder", k.addModule)
	f.List(&k.moduleMake, "module-make", "with -module: what make was told when it was built, a `VAR=VALUE`, such as CONFIG_FOO=m; M=SUB where that was a folder below DIR")
	f.List(&k.extraSymvers, "extra-symvers", "with -module: the Module.symvers of other modules that it uses, or their .ko, a `FILE`")
	f.BoolVar(&k.tasks, "tasks", false, "look at the tasks of this machine, which runs that kernel, for what stays in the functions; needs root")
	f.Func("target", "for objects: a module that they belong to, and its .ko: `MODULE=FILE`; may be repeated", o.addTarget)
	f.StringVar(&o.make.cc, "cc", "", "how the compiler is called, a `COMMAND` as for make: \"ccache gcc-12\"")
	f.StringVar(&o.make.buildroot, "buildroot", "", "a `DIR` with the distribution in which make and the compiler run, or the name of a release of Debian, such as bookworm, which mmdebstrap makes in the cache")
	f.StringVar(&o.make.cache, "cache", "", "the `DIR` where sources and objects are kept, which machines may share; $GOSPLICE_CACHE unless given, or gosplice in the user's folder for such")
	f.IntVar(&o.make.jobs, "j", 0, "run `N` compilers at once; one for each processor unless given")
}

func (o *options) defineHow(f *cli.Flags) {
	h := &o.how
	f.List(&h.series, "series", "patches listed in a `FILE`, as quilt has it")
	f.BoolVar(&h.byFile, "by-file", false, "take each file of a patch for a patch of its own: for the difference between two versions")
	f.BoolVar(&h.each, "each", false, "make an update of each patch, and a table")
	f.BoolVar(&h.keepGoing, "keep-going", false, "make one update of all patches that can be carried safely together")
	f.IntVar(&h.only, "only", 0, "with -each: patch number `N` only, from 1; it may stand on those before it")
	f.BoolVar(&h.jobs, "jobs", false, "print a command for each patch, one a line, to be run anywhere; -collect joins what they leave")
	f.StringVar(&h.collect, "collect", "", "join the reports in a `DIR` to a table there; patches that have left none are missing")
	f.Var(&h.clean, "clean", "remove prepared sources and objects from the cache, with =AGE those that are older: -clean=30d")
	f.BoolVar(&h.try, "try", false, "boot the kernel in QEMU, load the update, see its functions live, disable and unload it; with -each one guest for all, and a new one behind one that failed")
	f.StringVar(&h.exercise, "exercise", "", "with -try: a `SCRIPT` or static program that the guest runs before, during and after; it fails where that does")
}
