package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	splicing "github.com/gosplice/gosplice/splice"
)

// variants are the ways in which the sources are compiled.
var variants = [][]string{
	{"-O2", "-g"}, {"-O0"}, {"-Os", "-ffunction-sections", "-fdata-sections"}, {"-O2", "-g", "-gz", "-fPIC"}, {"-O3", "-g", "-gdwarf-4", "-fcommon"},
}

// objects makes pairs of objects, of a program and of a kernel.
func (m *maker) objects() error {
	kernel := []string{"-fno-pic", "-mcmodel=kernel", "-fno-asynchronous-unwind-tables"}
	for i, flags := range variants {
		if err := m.pair("object", "program.c", i, flags); err != nil {
			return err
		}
		if err := m.pair("kobject", "kernel.c", i, slices.Concat(flags, kernel)); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) pair(kind, source string, i int, flags []string) error {
	pre, post := fmt.Sprintf("%s%d.pre.o", kind, i), fmt.Sprintf("%s%d.post.o", kind, i)
	if err := m.run("gcc", slices.Concat([]string{"-c", "-o", pre, source}, flags)...); err != nil {
		return err
	}
	if err := m.run("gcc", slices.Concat([]string{"-c", "-DPOST", "-o", post, source}, flags)...); err != nil {
		return err
	}
	return m.add(kind, m.read(pre), m.read(post))
}

// programs links programs and libraries of the objects.
func (m *maker) programs() error {
	for i, c := range []struct {
		object string
		flags  []string
	}{{"object0", nil}, {"object2", []string{"-no-pie"}}, {"object3", []string{"-shared", "-Wl,--hash-style=sysv"}}, {"object3", []string{"-shared", "-s"}}} {
		out := fmt.Sprintf("program%d", i)
		args := []string{"-nostdlib", "-o", out, c.object + ".pre.o", "-Wl,-e,entry", "-Wl,-z,noseparate-code", "-Wl,--build-id", "-Wl,--unresolved-symbols=ignore-all"}
		if err := m.run("gcc", append(args, c.flags...)...); err != nil {
			return err
		}
		if err := m.add("image", m.read(out), m.read(c.object+".pre.o")); err != nil {
			return err
		}
	}
	return nil
}

// kernels makes a small kernel, as it is linked and packed, and a module of it.
func (m *maker) kernels() error {
	const start = "0xffffffff81000000"
	for _, s := range [][]string{
		{"gcc", "-nostdlib", "-static", "-no-pie", "-o", "vmlinux", "kobject2.pre.o", "-Wl,-Ttext=" + start, "-Wl,-e," + start, "-Wl,-z,noseparate-code", "-Wl,--build-id", "-Wl,--unresolved-symbols=ignore-all"},
		{"objcopy", "--strip-debug", "vmlinux"},
		{"ld", "-r", "-o", "module.ko", "kobject2.pre.o", "-T", "module.lds"},
		{"objcopy", "--strip-debug", "module.ko"},
	} {
		if err := m.run(s[0], s[1:]...); err != nil {
			return err
		}
	}
	object, vmlinux, module := m.read("kobject2.pre.o"), m.read("vmlinux"), m.read("module.ko")
	return errors.Join(
		m.add("kernel", vmlinux, object), m.add("packed", bzImage(gzipped(vmlinux)), object), m.add("packed", gzipped(vmlinux), object),
		m.add("module", module, object), m.add("packed", gzipped(module), object),
	)
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

// bzImage packs a kernel as Documentation/arch/x86/boot.rst of Linux 6.12 says.
func bzImage(payload []byte) []byte {
	const sector, sects, offset = 512, 2, 0x40
	b := make([]byte, (sects+1)*sector+offset)
	b[0x1f1] = sects
	binary.LittleEndian.PutUint16(b[0x1fe:], 0xaa55)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x206:], 0x020f)
	binary.LittleEndian.PutUint16(b[0x20e:], 0x200)
	copy(b[0x400:], "6.1.0-small (x@y) #1\x00")
	binary.LittleEndian.PutUint32(b[0x248:], offset)
	binary.LittleEndian.PutUint32(b[0x24c:], uint32(len(payload)))
	binary.LittleEndian.PutUint64(b[0x258:], 0x1000000)
	binary.LittleEndian.PutUint32(b[0x260:], 0x2000000)
	return append(append(b, payload...), "what follows"...)
}

// update makes a stored update of the first pair of objects.
func (m *maker) update() error {
	pre, err1 := elfdiff.Open(filepath.Join(m.work, "object0.pre.o"))
	post, err2 := elfdiff.Open(filepath.Join(m.work, "object0.post.o"))
	img, err3 := image.OpenELF(filepath.Join(m.work, "program0"))
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	defer img.Close()
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{Accept: []elfdiff.Acceptance{{Code: elfdiff.CodeConstShared}}})
	if err != nil {
		return err
	}
	match, err := reloc.Match(context.Background(), pre, img, reloc.Options{})
	if err != nil {
		return err
	}
	u, err := splicing.Build("seed", splicing.Part{Diff: d, Match: match, Image: img})
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(u, "", "\t") // without the ID, which would find every change
	if err != nil {
		return err
	}
	return m.add("update", b, nil)
}

func (m *maker) record() error {
	b, err := recordSeed()
	if err != nil {
		return err
	}
	return m.add("record", b, nil)
}

func (m *maker) symvers() error { return m.add("symvers", m.read("Module.symvers"), nil) }
