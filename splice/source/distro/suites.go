package distro

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gosplice/gosplice/internal/need"
)

// codenames are the releases of Debian, the beginnings of the releases of kernels that
// they have, and the suites beside the one of that name. Kernels for an older release say so:
// "+deb12".
var codenames = []struct {
	name    string
	kernels *regexp.Regexp
	more    []string
}{
	{"bullseye", regexp.MustCompile(`^5\.10\b`), []string{"-security"}}, // that with its updates is gone
	{"bookworm", regexp.MustCompile(`^6\.1\b[^+]*$|\+deb12\b`), []string{"-updates", "-security"}},
	{"trixie", regexp.MustCompile(`^6\.12\b[^+]*$|\+deb13\b`), []string{"-updates", "-security", "-backports"}},
}

// suitesOf returns the suites that may have a kernel, none when that is not known.
func suitesOf(release string) []string {
	for _, c := range codenames {
		if !c.kernels.MatchString(release) {
			continue
		}
		suites := []string{c.name}
		for _, more := range c.more {
			suites = append(suites, c.name+more)
		}
		return suites
	}
	return nil
}

func missing(commands ...string) error {
	lost, packages := need.Missing(commands...)
	if len(lost) == 0 {
		return nil
	}
	return &MissingError{Commands: lost, Packages: packages}
}

func missingText(commands, packages []string) string {
	return fmt.Sprintf("missing on this machine: %s; this installs it on Debian: %s", strings.Join(commands, ", "), need.Line(packages))
}
