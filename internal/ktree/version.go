package ktree

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A VersionError tells that two parts of a kernel are of different versions: they do not
// belong together.
type VersionError struct {
	A, AVersion string // what it is: "the configuration /boot/config-6.1.0-56", and its version
	B, BVersion string
}

// Error says what differs, and what to do.
func (e *VersionError) Error() string {
	return fmt.Sprintf("%s is of Linux %s, and %s of %s: give those that belong together, of one build", e.A, e.AVersion, e.B, e.BVersion)
}

// configVersionForm is the head that Kconfig gives a configuration: "# Linux/x86 6.1.192 Kernel
// Configuration" (scripts/kconfig/confdata.c).
var configVersionForm = regexp.MustCompile(`(?m)^# Linux/\S+ (\d+\.\d+\.\d+)\S* Kernel Configuration$`)

// configVersion returns the version of the source that a configuration was made with, "" when it
// does not say.
func configVersion(config []byte) string {
	if m := configVersionForm.FindSubmatch(config[:min(len(config), 4096)]); m != nil {
		return string(m[1])
	}
	return ""
}

// sourceVersion returns the version of a source, as its Makefile has it, "" when it does not
// say.
func sourceVersion(makefile []byte) string {
	by := map[string]string{}
	for _, m := range versionLines.FindAll(makefile, -1) {
		name, value, _ := strings.Cut(string(m), "=")
		by[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	if by["VERSION"] == "" || by["PATCHLEVEL"] == "" {
		return ""
	}
	sub := by["SUBLEVEL"]
	if sub == "" {
		sub = "0"
	}
	return by["VERSION"] + "." + by["PATCHLEVEL"] + "." + sub
}

// bannerVersions are versions in what a kernel says of itself.
var bannerVersions = regexp.MustCompile(`\b\d+\.\d+\.\d+\b`)

// checkBanner holds the configuration against what the image says of itself: its release, or,
// of a distribution that numbers releases in its own way, the version behind it.
func (t *Tree) checkBanner(config []byte) error {
	version := configVersion(config)
	if version == "" || t.spec.Banner == "" {
		return nil
	}
	var found []string
	series := version[:strings.LastIndexByte(version, '.')+1]
	release := releaseOf(t.spec.Banner)
	_, behind, _ := strings.Cut(t.spec.Banner, " #")
	for _, v := range append(bannerVersions.FindAllString(release, 1), bannerVersions.FindAllString(behind, -1)...) {
		switch {
		case v == version:
			return nil
		case strings.HasSuffix(v, ".0") && strings.HasPrefix(v, series):
			// 6.1.0-56: a number of the distribution's
		default:
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return nil
	}
	return &VersionError{"the configuration " + t.spec.Config, version, "the image (vmlinux), which is " + release + ",", found[len(found)-1]}
}

// checkSource holds a source against the configuration. dir is where it is unpacked.
func (t *Tree) checkSource(dir string, config []byte) error {
	text, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if err != nil {
		return notSource(t.spec.Source, err)
	}
	a, b := sourceVersion(text), configVersion(config)
	if a == "" || b == "" || a == b {
		return nil
	}
	return &VersionError{"the source " + t.spec.Source, a, "the configuration " + t.spec.Config, b}
}

// notSource says of what is no source of a kernel what is.
func notSource(path string, err error) error {
	return fmt.Errorf("%s is no source of a kernel (give the folder that has its Makefile and Kbuild, or an archive of it): %w", path, err)
}

// checkFolder looks at a source that is a folder before anything is copied.
func (t *Tree) checkFolder(config []byte) error {
	st, err := os.Stat(t.spec.Source)
	if err != nil || !st.IsDir() {
		return err
	}
	if _, err := os.Stat(filepath.Join(t.spec.Source, "Kbuild")); err != nil {
		return notSource(t.spec.Source, err)
	}
	return t.checkSource(t.spec.Source, config)
}

// isConfig reports whether a file looks like a configuration.
func isConfig(text []byte) bool {
	return slices.ContainsFunc(strings.Split(string(text[:min(len(text), 64<<10)]), "\n"), func(l string) bool {
		return strings.HasPrefix(l, "CONFIG_") && strings.Contains(l, "=")
	})
}
