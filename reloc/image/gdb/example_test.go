package gdb_test

import (
	"context"
	"log"

	"github.com/gosplice/gosplice/reloc/image/gdb"
)

func ExampleOpen() {
	img, err := gdb.Open(context.Background(), "unix:/run/guest.gdb", "/boot/vmlinuz")
	if err != nil {
		log.Fatal(err)
	}
	defer img.Close() // the guest runs on
	for _, s := range img.Lookup("schedule") {
		code := make([]byte, s.Size)
		if err := img.ReadAddr(code, s.Addr); err != nil {
			log.Fatal(err)
		}
	}
}
