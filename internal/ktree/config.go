package ktree

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A ConfigError tells that a configuration is not one of the source, or that this machine
// builds it otherwise: to bring it up to date changed settings that decide about code.
type ConfigError struct {
	Changed []Setting // by name
}

// A Setting is one of a configuration.
type Setting struct{ Name, Old, New string } // "" where it is off, or not there

// String says how it changed.
func (s Setting) String() string {
	return fmt.Sprintf("%s was %s, and is %s", s.Name, orOff(s.Old), orOff(s.New))
}

// Error names the first few.
func (e *ConfigError) Error() string {
	const shown = 5
	var list []string
	for _, s := range e.Changed[:min(len(e.Changed), shown)] {
		list = append(list, s.String())
	}
	if n := len(e.Changed) - shown; n > 0 {
		list = append(list, fmt.Sprintf("and %d more", n))
	}
	return "the configuration does not fit the source, or the tools here: " + strings.Join(list, "; ") +
		": give the source and the configuration of one build (-src, -config), and the tools that it was built with (-cc, -buildroot)"
}

// free are settings about the machine of the build, which decide about no code: what tells
// builds apart, keys, what Rust there is, and versions. A setting that depends on one is not
// free itself.
var free = regexp.MustCompile(`^CONFIG_(?:BUILD_SALT|MODULE_SIG_ALL|MODULE_SIG_KEY\w*|SYSTEM_TRUSTED_KEYS|SYSTEM_REVOCATION_KEYS|` +
	`CC_VERSION_TEXT|BINDGEN_VERSION_TEXT|OPENSSL_SUPPORTS_\w+|(?:PAHOLE|AS|LD|LLD|GCC|CLANG)_VERSION|PAHOLE_HAS_\w+|HAVE_RUST|RUST\w*)$`)

// checkConfig compares the configuration that make left in a folder with the one that was put
// there.
func checkConfig(dir string, given []byte) error {
	made, err := os.ReadFile(filepath.Join(dir, ".config"))
	if err != nil {
		return err
	}
	changed := slices.DeleteFunc(changedSettings(given, made), func(s Setting) bool { return free.MatchString(s.Name) })
	if len(changed) == 0 {
		return nil
	}
	return &ConfigError{changed}
}

// changedSettings compares two configurations.
func changedSettings(a, b []byte) []Setting {
	old, now := settings(a), settings(b)
	all := maps.Clone(old)
	maps.Copy(all, now)
	var out []Setting
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if old[name] != now[name] {
			out = append(out, Setting{name, old[name], now[name]})
		}
	}
	return out
}

// settings reads a configuration. "n" is the same as nothing.
func settings(text []byte) map[string]string {
	out := map[string]string{}
	for line := range bytes.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
		if ok && strings.HasPrefix(name, "CONFIG_") && value != "n" {
			out[name] = value
		}
	}
	return out
}

func orOff(s string) string {
	if s == "" {
		return "off"
	}
	return s
}

// salted adds the text that tells builds apart, which becomes a note of the image. Packaged
// configurations lack it.
func salted(config []byte, release string) []byte {
	if s := settings(config)["CONFIG_BUILD_SALT"]; s != "" && s != `""` {
		return config
	}
	return fmt.Appendf(slices.Clip(config), "\nCONFIG_BUILD_SALT=%q\n", release)
}
