package module_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"fmt"
	"log"
	"os"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
)

// A livepatch module of the change of one object.
func ExampleBuild() {
	k, err := module.OpenKernel("vmlinux") // of the build that runs, with symbols
	if err != nil {
		log.Fatal(err)
	}
	defer k.Close()
	pre, err := elfdiff.Open("pre/fs/proc/cmdline.o")
	if err != nil {
		log.Fatal(err)
	}
	post, err := elfdiff.Open("post/fs/proc/cmdline.o")
	if err != nil {
		log.Fatal(err)
	}
	diff, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
	if err != nil {
		log.Fatal(err)
	}
	match, err := reloc.Match(context.Background(), pre, k.Run(), reloc.Options{})
	if err != nil {
		log.Fatal(err)
	}
	m, err := module.Build(k, module.Options{Name: "fix"}, module.Pair{Diff: diff, Match: match})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range m.Functions {
		fmt.Printf("%s: %d of %d bytes are compared again at load\n", f.Name, f.Size-f.Masked, f.Size)
	}
	f, err := os.Create("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	if _, err := m.WriteTo(f); err != nil {
		log.Fatal(err)
	}
}

// On the machine itself no vmlinux is needed: an update is made of the kernel that runs.
func ExampleOpenRunning() {
	k, err := module.OpenRunning(context.Background(), os.DirFS("/"))
	if err != nil {
		log.Fatal(err)
	}
	defer k.Close()
	fmt.Println(k.Vermagic())
}

// A module is signed for kernels that enforce it.
func ExampleModule_Sign() {
	file, err := os.Open("fix.ko")
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	m, err := module.Read(file)
	if err != nil {
		log.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair("cert.pem", "key.pem") // the kernel knows the certificate
	if err != nil {
		log.Fatal(err)
	}
	signed, err := m.Sign(pair.Leaf, pair.PrivateKey.(crypto.Signer))
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("fix.signed.ko", signed.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

// A module of the kernel is changed as the kernel itself is: it need not be loaded.
func ExampleKernel_OpenModule() {
	k, err := module.OpenKernel("vmlinux")
	if err != nil {
		log.Fatal(err)
	}
	defer k.Close()
	vlan, err := k.OpenModule("8021q.ko.xz")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s, build-id %x\n", vlan.Name(), vlan.BuildID())
}
