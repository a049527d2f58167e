package ktree

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// mirror returns the URL of the archive from which apt of a system fetches its packages
// (sources.list(5), both forms): the first that is not one of security updates.
func mirror(root string) (string, error) {
	var names []string
	for _, pattern := range []string{"etc/apt/sources.list", "etc/apt/sources.list.d/*.list", "etc/apt/sources.list.d/*.sources"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return "", err
		}
		names = append(names, found...)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		for _, url := range mirrors(string(text), strings.HasSuffix(name, ".sources")) {
			if !strings.Contains(url, "security") {
				return url, nil
			}
		}
	}
	return "", errors.New("apt of this system names no archive of Debian (/etc/apt/sources.list)")
}

// mirrors lists the URLs in a list of sources, of the newer form with fields or of that with
// one source a line.
func mirrors(text string, fields bool) []string {
	var out []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) < 2 || strings.HasPrefix(words[0], "#"):
			continue
		case fields && !strings.EqualFold(words[0], "URIs:"), !fields && words[0] != "deb":
			continue
		}
		for _, w := range words[1:] {
			if strings.HasPrefix(w, "http://") || strings.HasPrefix(w, "https://") || strings.HasPrefix(w, "file:/") {
				out = append(out, w)
			}
		}
	}
	return out
}
