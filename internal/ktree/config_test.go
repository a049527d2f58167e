package ktree

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckConfig(t *testing.T) {
	const given = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_PAHOLE_VERSION=124\n"
	for name, c := range map[string]struct {
		made string
		want []Setting
	}{
		"same":     {given + "CONFIG_BUILD_SALT=\"x\"\nCONFIG_MODULE_SIG_KEY=\"certs/k\"\nCONFIG_RUSTC_VERSION=109500\n", nil},
		"a tool":   {strings.Replace(given, "124", "130", 1), nil},
		"off":      {strings.Replace(given, "CONFIG_A=y", "# CONFIG_A is not set", 1), []Setting{{"CONFIG_A", "y", ""}}},
		"on":       {given + "CONFIG_B=y\n", []Setting{{"CONFIG_B", "", "y"}}},
		"built in": {strings.Replace(given, "=m", "=y", 1), []Setting{{"CONFIG_C", "m", "y"}}},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ".config"), []byte(c.made), 0o644); err != nil {
			t.Fatal(err)
		}
		err := checkConfig(dir, []byte(given))
		var e *ConfigError
		if errors.As(err, &e) != (c.want != nil) || e != nil && !cmp.Equal(e.Changed, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestSalted(t *testing.T) {
	if got := string(salted([]byte("CONFIG_BUILD_SALT=\"mine\""), "6.1")); strings.Contains(got, "6.1") {
		t.Errorf("%q", got)
	}
	for _, text := range []string{"", "CONFIG_BUILD_SALT=\"\"\n", "CONFIG_A=y"} {
		if got := settings(salted([]byte(text), "6.1"))["CONFIG_BUILD_SALT"]; got != `"6.1"` {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestIdentity(t *testing.T) {
	const debian = "Linux version 6.1.0-56-cloud-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40) " +
		"#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-02)"
	config := []byte("CONFIG_CC_VERSION_TEXT=\"" + gcc12 + "\"\n")
	for name, c := range map[string]struct {
		spec Spec
		want []string
	}{
		"debian": {Spec{Banner: debian, Make: []string{"DISTRIBUTOR=Debian"}}, []string{
			"KERNELRELEASE=6.1.0-56-cloud-amd64", "KBUILD_BUILD_USER=debian-kernel", "KBUILD_BUILD_HOST=lists.debian.org", "KBUILD_BUILD_VERSION=1",
			"KBUILD_BUILD_VERSION_TIMESTAMP=Debian 6.1.192-2 (2026-11-02)", "DISTRIBUTOR=Debian", "CC=gcc-12"}},
		"own": {Spec{Banner: "Linux version 6.8.1 (me@box) (gcc (GCC) 13.2, GNU ld 2.41) #3 SMP PREEMPT_DYNAMIC Fri Mar 15 12:00:00 UTC 2024\n", CC: "ccache gcc"}, []string{
			"KERNELRELEASE=6.8.1", "KBUILD_BUILD_USER=me", "KBUILD_BUILD_HOST=box", "KBUILD_BUILD_VERSION=3", "KBUILD_BUILD_VERSION_TIMESTAMP=Fri Mar 15 12:00:00 UTC 2024",
			"KBUILD_BUILD_TIMESTAMP=Fri Mar 15 12:00:00 UTC 2024", "CC=ccache gcc"}},
		"ubuntu": {Spec{Banner: "Linux version 6.8.0-31-generic (buildd@lcy02-80) (x86_64-linux-gnu-gcc-13 (Ubuntu 13.2.0-23ubuntu4) 13.2.0, GNU ld (GNU Binutils for Ubuntu) 2.42) #31-Ubuntu SMP PREEMPT_DYNAMIC Sat Apr 20 00:40:06 UTC 2024", CC: "gcc-13"}, []string{
			"KERNELRELEASE=6.8.0-31-generic", "KBUILD_BUILD_USER=buildd", "KBUILD_BUILD_HOST=lcy02-80", "KBUILD_BUILD_VERSION=31-Ubuntu",
			"KBUILD_BUILD_VERSION_TIMESTAMP=Sat Apr 20 00:40:06 UTC 2024", "KBUILD_BUILD_TIMESTAMP=Sat Apr 20 00:40:06 UTC 2024", "CC=gcc-13"}},
		"another": {Spec{Banner: debian, Release: "6.1.0-50-cloud-amd64"}, nil},
		"none":    {Spec{Banner: "vmlinux"}, nil},
	} {
		got, err := identity(&c.spec, config)
		if (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && !cmp.Equal(got, c.want) {
			t.Errorf("%s: %s", name, cmp.Diff(c.want, got))
		}
	}
}
