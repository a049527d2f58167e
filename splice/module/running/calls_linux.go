package running

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// linux makes the system calls.
type linux struct{}

// load loads a module by finit_module(2), from memory that has no name in any file system.
func (linux) load(image []byte) error {
	fd, err := unix.MemfdCreate("update.ko", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	defer unix.Close(fd)
	for len(image) > 0 {
		n, err := unix.Write(fd, image)
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		image = image[n:]
	}
	if err := unix.FinitModule(fd, "", 0); err != nil {
		return fmt.Errorf("finit_module: %w", err)
	}
	return nil
}

// unload removes a module by delete_module(2), without waiting.
func (linux) unload(name string) error {
	if err := unix.DeleteModule(name, unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("delete_module: %w", err)
	}
	return nil
}
