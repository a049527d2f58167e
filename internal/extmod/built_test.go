package extmod

import (
	"strings"
	"testing"
)

func TestBuilt(t *testing.T) {
	for _, c := range []struct{ name, module, want string }{
		{"by its sources", "x\x00/var/lib/dkms/a/1/build/main.c\x00y\x00/var/lib/dkms/a/1/build/sub/b.h\x00", "/var/lib/dkms/a/1/build"},
		{"most", "\x00/one/main.c\x00/two/main.c\x00/two/sub/b.h\x00", "/two"},
		{"below the kernel's tree", "\x00drivers/own/main.c\x00", "drivers/own"},
		{"at the beginning", "/d/main.c\x00", "/d"},
		{"nothing", "\x00main.c\x00xmain.c\x00", ""},
		{"a message", "\x00can't read /etc/main.c\x00", ""},
		{"a format", "\x00%s/main.c\x00", ""},
		{"not at its end", "\x00/d/main.c.orig\x00", ""},
		{"a way back", "\x00/d/../e/main.c\x00", ""},
		{"the root", "\x00/main.c\x00", ""},
		{"of another", "\x00/d/other.c\x00", ""},
	} {
		if got := Built([]byte(c.module), []string{"main.c", "sub/b.h", "README"}); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// FuzzBuilt: whatever a module holds, what is found is a folder that stands before the name of a source.
func FuzzBuilt(f *testing.F) {
	f.Add([]byte("\x00/d/main.c\x00"))
	f.Add([]byte("/main.c\x00/main.c\x00"))
	f.Fuzz(func(t *testing.T, module []byte) {
		dir := Built(module, []string{"main.c"})
		if dir != "" && (!strings.Contains(string(module), dir+"/main.c\x00") || strings.ContainsAny(dir, " \x00'\"\\")) {
			t.Errorf("%q", dir)
		}
	})
}
