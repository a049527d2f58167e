// Package need says which commands a machine lacks, and which packages of Debian have them.
package need

import (
	"os/exec"
	"slices"
	"strings"
)

// packages has the package of each command. What is not in it is in one of its own name.
var packages = map[string]string{
	"apt-get": "apt", "apt-cache": "apt", "apt-config": "apt", "dpkg-deb": "dpkg", "dpkg-query": "dpkg",
	"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "go": "golang-go", "xz": "xz-utils",
	"dpkg-source": "dpkg-dev", "dpkg-buildpackage": "dpkg-dev", "dpkg-checkbuilddeps": "dpkg-dev",
	"unshare": "util-linux", "mount": "mount", "cp": "coreutils", "sh": "dash",
	"ar": "binutils", "ld": "binutils", "objcopy": "binutils",
}

// Missing returns which of the commands are not on PATH, and the packages that have them,
// both sorted, each once.
func Missing(commands ...string) (lost, from []string) {
	for _, c := range commands {
		if _, err := exec.LookPath(c); err != nil {
			lost, from = append(lost, c), append(from, Package(c))
		}
	}
	return sorted(lost), sorted(from)
}

// Package returns the package of Debian that has a command.
func Package(command string) string {
	if p, ok := packages[command]; ok {
		return p
	}
	return command
}

// Line is the command that installs packages.
func Line(packages []string) string {
	return "apt-get install --no-install-recommends " + strings.Join(packages, " ")
}

func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
