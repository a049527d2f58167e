package deb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Sources name the suites of Debian whose packages apt is to know.
type Sources struct {
	Suites []string // such as "trixie", "trixie-security", "bookworm-backports"
	// Mirror is the URL of the archive, "http://deb.debian.org/debian" when it is "";
	// Security is that of the archive of security updates.
	Mirror, Security string
	// Source has the lists of source packages too, see [Cache.Source].
	Source bool
}

const (
	defaultMirror   = "http://deb.debian.org/debian"
	defaultSecurity = "http://deb.debian.org/debian-security"
	keyring         = "/usr/share/keyrings/debian-archive-keyring.gpg"
	securityEnd     = "-security"
)

// text returns them in the form of apt's sources.list(5).
func (s *Sources) text() string {
	var b strings.Builder
	for _, suite := range s.Suites {
		url := s.Mirror
		if url == "" {
			url = defaultMirror
		}
		if strings.HasSuffix(suite, securityEnd) {
			if url = s.Security; url == "" {
				url = defaultSecurity
			}
		}
		option := "[arch=amd64]"
		if _, err := os.Stat(keyring); err == nil {
			option = "[arch=amd64 signed-by=" + keyring + "]"
		}
		fmt.Fprintf(&b, "deb %s %s %s main\n", option, url, suite)
		if s.Source {
			fmt.Fprintf(&b, "deb-src %s %s %s main\n", option, url, suite)
		}
	}
	return b.String()
}

// lists are lists of packages that a cache keeps for itself. apt's own stay as they are.
type lists struct{ dir string }

// settings returns apt's options, and what is to be in its environment.
func (c *Cache) settings() (options, env []string) {
	if os.Geteuid() == 0 {
		// apt would drop to the user _apt, who may not write to a private
		// cache, and warn that it could not.
		options = append(options, "-o", "APT::Sandbox::User=root")
	}
	if c.lists != nil {
		return options, []string{"APT_CONFIG=" + filepath.Join(c.lists.dir, "apt.conf")}
	}
	// Containers are often set up without the binary form of the lists that is apt's own,
	// which only root may write, and then each command reads all the lists, for a
	// second. apt knows by itself when it is out of date.
	dir := filepath.Join(c.dir, "apt")
	return append(options,
		"-o", "Dir::Cache::pkgcache="+filepath.Join(dir, "pkgcache.bin"),
		"-o", "Dir::Cache::srcpkgcache="+filepath.Join(dir, "srcpkgcache.bin")), nil
}

// With returns the same cache with packages of these sources, by lists that are kept in
// it and fetched when there are none, or when they are older than maxAge. Lists that can't
// be renewed are used as they are.
func (c *Cache) With(ctx context.Context, s Sources, maxAge time.Duration) (*Cache, error) {
	text := s.text()
	dir := filepath.Join(c.dir, "apt", fmt.Sprintf("%.12x", sha256.Sum256([]byte(text))))
	own := &Cache{dir: c.dir, lists: &lists{dir}, sizes: map[Package]int64{}}
	for _, sub := range []string{"lists/partial", "archives/partial", "parts"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	unlock, err := Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	stamp := filepath.Join(dir, "updated")
	st, statErr := os.Stat(stamp)
	if statErr == nil && time.Since(st.ModTime()) < maxAge {
		return own, nil
	}
	if err := own.lists.configure(ctx, c, text); err != nil {
		return nil, err
	}
	Progress(ctx, "fetch the lists of packages of %s", strings.Join(s.Suites, ", "))
	_, err = own.apt(ctx, "", "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=3", "update")
	switch {
	case err == nil:
		return own, os.WriteFile(stamp, nil, 0o644)
	case ctx.Err() != nil || statErr != nil:
		return nil, err
	}
	Progress(ctx, "the lists of %v remain, for newer ones could not be fetched", st.ModTime().Format(time.DateOnly))
	return own, nil
}

// configure writes apt's configuration. Of the user's it has how to reach servers.
func (l *lists) configure(ctx context.Context, user *Cache, sources string) error {
	out, err := user.apt(ctx, "", "apt-config", "dump")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, line := range transport.FindAll(out, -1) {
		b.Write(append(line, '\n'))
	}
	for _, s := range [][2]string{
		{"Dir::Etc::Parts", "parts"}, {"Dir::Etc::sourcelist", "sources.list"}, {"Dir::Etc::sourceparts", "parts"},
		{"Dir::Etc::preferences", "none"}, {"Dir::Etc::preferencesparts", "parts"},
		{"Dir::State::lists", "lists"}, {"Dir::State::status", "status"}, {"Dir::Cache", "."},
	} {
		fmt.Fprintf(&b, "%s \"%s\";\n", s[0], filepath.Join(l.dir, s[1]))
	}
	b.WriteString("Acquire::Languages \"none\";\n")
	return errors.Join(
		os.WriteFile(filepath.Join(l.dir, "status"), nil, 0o644),
		os.WriteFile(filepath.Join(l.dir, "sources.list"), []byte(sources), 0o644),
		os.WriteFile(filepath.Join(l.dir, "apt.conf"), b.Bytes(), 0o644))
}

// transport are the settings about reaching servers: proxies, certificates.
var transport = regexp.MustCompile(`(?m)^Acquire::(?:http|https|ForceIPv4|ForceIPv6)\b.*;$`)
