package foresee

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// read reads a file of the machine.
func (c *checker) read(name string) (string, error) {
	b, err := fs.ReadFile(c.root, name)
	return string(b), err
}

// line reads a file of one line, "" when it can't be read.
func (c *checker) line(name string) string {
	s, _ := c.read(name)
	return strings.TrimSpace(s)
}

// list returns the names in a folder, none when it can't be read.
func (c *checker) list(dir string) (names []string) {
	entries, _ := fs.ReadDir(c.root, dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// exists reports whether there is such a file, or folder.
func (c *checker) exists(name string) bool {
	_, err := fs.Stat(c.root, name)
	return err == nil
}

// The folders of file systems that have to be mounted.
const (
	debugfs    = "sys/kernel/debug"
	securityfs = "sys/kernel/security"
	livepatch  = "sys/kernel/livepatch"
)

// tracefs returns where it is mounted: on its own, or in debugfs, which mounts it when somebody
// looks; "" when it is nowhere.
func (c *checker) tracefs() string {
	for _, dir := range []string{"sys/kernel/tracing", path.Join(debugfs, "tracing")} {
		if c.exists(path.Join(dir, "current_tracer")) {
			return dir
		}
	}
	return ""
}

// unseen reports that something can't be known, and what of the forecast that is about.
func (c *checker) unseen(effect Effect, what string, err error, mount string) {
	f := Finding{Code: CodeUnseen, Effect: effect, Message: what + " can't be seen"}
	switch {
	case errors.Is(err, fs.ErrPermission):
		f.Message += ": " + err.Error()
		f.Hint = "look as root; a kernel that is locked down shows less"
	case mount != "" && c.lacks(mount):
		f.Message += ": this kernel was built without " + mount
		f.Hint = "nothing shows it here: know what was put there by other means, or boot a kernel that has " + mount
	case mount != "":
		f.Message += ": " + mount + " is not mounted"
		f.Hint = "mount it: " + mounts[mount]
	case err != nil:
		f.Message += ": " + err.Error()
	}
	c.add(f)
}

// lacks reports whether the kernel has no such file system; false where it does not say which it
// has. None of those in mounts comes with a module (filesystems_proc_show of fs/filesystems.c).
func (c *checker) lacks(filesystem string) bool {
	text, err := c.read("proc/filesystems")
	return err == nil && !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
		_, name, _ := strings.Cut(line, "\t")
		return name == filesystem
	})
}

// mounts are commands by file systems.
var mounts = map[string]string{
	"debugfs":    "mount -t debugfs debugfs /sys/kernel/debug",
	"tracefs":    "mount -t tracefs tracefs /sys/kernel/tracing",
	"securityfs": "mount -t securityfs securityfs /sys/kernel/security",
	"proc":       "mount -t proc proc /proc",
	"sysfs":      "mount -t sysfs sysfs /sys",
}
