package distro

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gosplice/gosplice/internal/need"
)

// codenames are the releases of Debian, and the beginnings of the releases of kernels that
// they have. Kernels for an older one say so: "+deb12".
var codenames = []struct {
	name    string
	kernels *regexp.Regexp
}{
	{"bullseye", regexp.MustCompile(`^5\.10\b`)},
	{"bookworm", regexp.MustCompile(`^6\.1\b[^+]*$|\+deb12\b`)},
	{"trixie", regexp.MustCompile(`^6\.12\b[^+]*$|\+deb13\b`)},
}

// suitesOf returns the suites that may have a kernel, none when that is not known.
func suitesOf(release string) []string {
	for _, c := range codenames {
		if !c.kernels.MatchString(release) {
			continue
		}
		suites := []string{c.name, c.name + "-updates", c.name + "-security"}
		if c.name == "bullseye" {
			return suites[:1:1] // the others are gone with its support
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
