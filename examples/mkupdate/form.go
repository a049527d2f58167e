package main

import (
	"bytes"
	"debug/elf"
	"io"
	"os"
	"strings"

	"github.com/gosplice/gosplice/splice/module/bundle"
)

// A form is a way to call the command.
type form int

const (
	formPatches form = iota // patches in
	formObjects             // pairs of objects in
	formCollect             // reports in
	formClean
	formProbe    // a kernel in
	formPrograms // patches in, of programs
	formBundle   // bundles in
)

// isObject reports whether an argument is an object: by what it holds, or by its name where
// there is no such file.
func isObject(arg string) bool {
	_, rest, named := strings.Cut(arg, ":") // MODULE:PRE.o
	for _, name := range []string{arg, rest} {
		if name == "" || !named && name != arg {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		head := make([]byte, len(elf.ELFMAG))
		_, err = io.ReadFull(f, head)
		f.Close()
		return err == nil && bytes.Equal(head, []byte(elf.ELFMAG))
	}
	return strings.HasSuffix(arg, ".o")
}

// isBundle reports whether an argument is a bundle: by what it holds, or by its name where there is no
// such file.
func isBundle(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return strings.HasSuffix(name, endBundle)
	}
	defer f.Close()
	head := make([]byte, 64)
	n, _ := io.ReadFull(f, head)
	return bundle.Is(head[:n])
}

// findForm finds out what is meant by what is given.
func (o *options) findForm() error {
	objects, bundles := 0, 0
	object, patch, kept := "", "", ""
	for _, a := range o.args {
		if strings.HasPrefix(a, "-") && len(a) > 1 {
			if _, err := os.Lstat(a); err != nil {
				return o.flags.Wrong("%s stands behind %s: flags go before patches and objects", a, o.args[0])
			}
		}
		switch {
		case isObject(a):
			objects++
			object = a
		case isBundle(a):
			bundles++
			kept = a
		default:
			patch = a
		}
	}
	switch {
	case o.kernel.probe != "":
		o.form = formProbe
	case o.how.clean.on:
		o.form = formClean
	case o.how.collect != "":
		o.form = formCollect
	case o.program.given() && (objects == 0 || objects < len(o.args)):
		o.form = formPrograms
	case bundles > 0 && bundles == len(o.args):
		o.form = formBundle
	case objects > 0 && objects == len(o.args):
		o.form = formObjects
	}
	if objects > 0 && o.form != formObjects {
		if patch == "" {
			return o.flags.Wrong("%s is an object, where patches are wanted", object)
		}
		return o.flags.Wrong("%s is a patch, and %s an object: give patches, or pairs of PRE.o and POST.o", patch, object)
	}
	if bundles > 0 && o.form != formBundle {
		return o.flags.Wrong("%s is a bundle: give bundles alone", kept)
	}
	return o.checkForm()
}

// checkForm says what does not go together.
func (o *options) checkForm() error {
	patches := len(o.args) + len(o.how.series)
	k, h := &o.kernel, &o.how
	forPatches := k.release != "" || k.src != "" || k.config != "" || len(h.series) > 0 || h.byFile || h.each || h.keepGoing || h.jobs || h.only > 0 || h.try || h.exercise != ""
	general := []struct {
		bad  bool
		text string
	}{
		{(o.out.key == "") != (o.out.cert == ""), "-key and -cert go together"},
		{o.form != formPrograms && o.out.file != "" && !strings.HasSuffix(o.out.file, ".ko"), "-o " + o.out.file + ": modules are called *.ko"},
		{o.out.file != "" && o.out.dir != "", "give -o or -out, not both"},
		{k.moduleAwaits(), "-module wants the source of the module: -module FILE.ko=DIR, or -src DIR behind it"},
		{len(k.outOfTree) == 0 && len(k.moduleMake)+len(k.extraSymvers) > 0, "-module-make and -extra-symvers go with -module"},
		{o.out.bundle != "" && o.form != formPatches, "-bundle goes with patches of a kernel's source"},
		{o.make.jobs < 0 || h.only < 0, "a negative number"},
		{!o.program.given() && (len(o.program.installed) > 0 || o.program.rebuild || o.program.to != ""), "-installed, -rebuild and -to go with -package NAME or -build COMMAND"},
	}
	rules := map[form][]struct {
		bad  bool
		text string
	}{
		formProbe:   {{patches > 0 || o.how.clean.on || o.how.collect != "", "-probe takes the kernel alone"}},
		formClean:   {{patches > 0, "-clean takes no patches"}},
		formCollect: {{h.each || h.keepGoing || h.jobs, "-collect goes with no -each, -keep-going or -jobs"}},
		formObjects: {
			{k.run == "", "-run is missing"},
			{o.module.Name == "", "-name is missing"},
			{len(o.args)%2 != 0, "an odd number of objects, where pairs of PRE.o and POST.o are needed"},
			{len(k.outOfTree) > 0, "-module is for patches; objects of a module go with -target NAME=FILE.ko"},
			{forPatches || o.out.dir != "" || k.modules != "", "that is for patches: objects go with -run VMLINUX and -name NAME"},
		},
		formBundle: {
			{k.run == "", "-run is missing: the kernel that the bundle is for, VMLINUX or kcore"},
			{len(o.args) > 1 && (o.out.file != "" || o.module.Name != ""), "-o and -name are of one module: several bundles go to -out DIR"},
			{forPatches || len(k.outOfTree) > 0 || len(o.targets) > 0 || k.objtool != "" || o.compare.inPlace || o.compare.initials,
				"that is for patches: a bundle goes with -run VMLINUX or -run kcore, and -modules DIR"},
		},
		formPrograms: {
			{patches == 0 && o.program.to == "", "no patch is given, and no version to go to"},
			{patches > 0 && o.program.to != "", "give patches or -to, not both"},
			{o.program.name != "" && (k.src != "" || o.program.build != ""), "give -package, or -src and -build, not both"},
			{o.program.name == "" && k.src == "", "-build goes with -src DIR, the source that the program was built from"},
			{k.release != "" || k.config != "" || k.run != "" || k.modules != "" || k.boot != "" || k.symvers != "" || k.objtool != "" || len(k.outOfTree) > 0 || k.tasks || len(o.targets) > 0 || o.make.buildroot != "" || o.make.cc != "",
				"that is for kernels: programs have -package, or -src DIR, -build and -installed FILE; the compiler is a matter of the command: CC=gcc-12 make"},
			{h.each || h.keepGoing || h.jobs || h.only > 0 || h.try || h.exercise != "", "of all patches, one update is made for each program"},
			{o.module.Replace || o.out.key != "" || o.module.Unpin != "" || o.module.NoJumps || o.module.Probes || o.compare.inPlace || o.compare.initials, "that is for modules of a kernel, and patches are of a program"},
		},
		formPatches: {
			{o.out.bundle != "" && h.replaces != "", "-bundle keeps an update that takes no certain other one's place"},
			{patches == 0, "no patch is given, and no objects are"},
			{len(o.targets) > 0, "-target is for objects; modules of patches are found by -modules, or given by -module"},
			{k.release != "" && (k.src != "" || k.config != "" || k.run != "" || k.modules != ""), "give -kernel, or -src, -config, -run and -modules, not both"},
			{k.src == "" && (k.config != "" || k.run != "" && !k.isRunning() || k.modules != ""), "-src is missing: patches need the source that the kernel was built from"},
			{k.src != "" && (k.run == "" || k.config == "" && !k.isRunning()), "-src needs -config FILE and -run VMLINUX, and -modules DIR for changes of modules"},
			{h.each && h.keepGoing, "give -each for an update of each patch, or -keep-going for one of all, not both"},
			{h.byFile && !h.each && !h.keepGoing && !h.jobs, "-by-file goes with -each, -keep-going or -jobs"},
			{(h.each || h.jobs) && h.replaces != "", "-replace FILE.ko goes with one update of all patches: each alone would lose what that one does"},
			{h.only > 0 && !h.each, "-only goes with -each"},
			{h.each && o.out.file != "", "-each makes several modules: give -out DIR, not -o"},
			{h.jobs && h.only > 0, "-jobs prints the commands that have -only"},
			{k.isRunning() && h.jobs, "-run kcore is the kernel of this machine: -jobs prints commands for any"},
			{(h.try || h.exercise != "") && k.src != "" && (k.boot == "" || k.modules == ""), "-try needs -boot VMLINUZ and -modules DIR"},
		},
	}
	for _, r := range append(general, rules[o.form]...) {
		if r.bad {
			return o.flags.Wrong("%s", r.text)
		}
	}
	return nil
}
