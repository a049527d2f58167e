package cbuild

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
)

// wrapper is what stands in the place of each tool. It writes a record into a file of its own
// before it becomes the tool. Of an object it also writes, into another file, what the object is
// known by when it is moved: its inode, size and time. The name of the file has its process in it, which may come up
// again in a long build: then there are more dots.
const wrapper = `#!/bin/sh
f=@RECORDS@/$$
until (set -C; : >"$f") 2>/dev/null; do
	f=$f.
	case $f in *............) break;; esac
done
{
	printf '%s\0' '@MAGIC@' @TOOL@ @NAME@ "$PWD" $# "$@"
	n=0
	for a; do case $a in @?*) [ ! -f "${a#@}" ] || n=$((n+1));; esac; done
	printf '%s\0' $n
	for a; do case $a in @?*) [ ! -f "${a#@}" ] || { printf '%s\0' "${a#@}"; cat "${a#@}"; printf '\0'; };; esac; done
	cat /proc/self/environ
} >>"$f"
o= p= c=
for a; do
	[ "$p" != -o ] || o=$a
	[ "$a" != -c ] || c=1
	p=$a
done
if [ -z "$c" ] || [ -z "$o" ]; then exec @TOOL@ "$@"; fi
@TOOL@ "$@"
s=$?
stat -c '%i %s %Y' -- "$o" >"$f+" 2>/dev/null
exit $s
`

// writeWrappers fills a folder with wrappers of all tools of a PATH, each of which writes its records into
// another folder.
func writeWrappers(dir, records, path string) error {
	seen := map[string]bool{}
	for _, folder := range filepath.SplitList(path) {
		list, err := os.ReadDir(folder)
		if err != nil {
			continue // a part of PATH that is not there is none
		}
		for _, e := range list {
			name := e.Name()
			if tool(name) == "" || seen[name] {
				continue
			}
			real := filepath.Join(folder, name)
			if st, err := os.Stat(real); err != nil || st.IsDir() || st.Mode()&0o111 == 0 {
				continue
			}
			seen[name] = true
			text := strings.NewReplacer("@RECORDS@", child.Quote(records), "@MAGIC@", recordMagic, "@TOOL@", child.Quote(real), "@NAME@", child.Quote(name)).Replace(wrapper)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// readRecords reads the records of a folder, in the order in which the calls began. Those that
// began at one tick of the clock are in the order in which builds do things.
func readRecords(dir string) ([]Command, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type record struct {
		c    *Command
		at   int64
		kind Kind
	}
	var all []record
	for _, e := range list {
		if strings.HasSuffix(e.Name(), "+") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		c, err := ParseRecord(b)
		if err != nil {
			return nil, fmt.Errorf("record %s: %w", e.Name(), err)
		}
		if made, err := os.ReadFile(filepath.Join(dir, e.Name()+"+")); err == nil {
			c.Made = strings.TrimSpace(string(made))
		}
		st, err := e.Info()
		if err != nil {
			return nil, err
		}
		all = append(all, record{c, st.ModTime().UnixNano(), c.Action().Kind})
	}
	slices.SortStableFunc(all, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind))
	})
	out := make([]Command, len(all))
	for i := range all {
		out[i] = *all[i].c
	}
	return out, nil
}
