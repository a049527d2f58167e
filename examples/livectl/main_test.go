package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/running"
)

// TestUnread has the list of modules go while a command is done: what became of the livepatch is
// not known then, and it is not called gone.
func TestUnread(t *testing.T) {
	for name, gone := range map[string]bool{"proc/modules": false, "proc": false, "": true} {
		root := t.TempDir()
		for _, file := range []string{"proc/modules", "sys/module/fix/refcnt", "sys/kernel/livepatch/fix/enabled"} {
			if err := os.MkdirAll(filepath.Join(root, filepath.Dir(file)), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, file), []byte("fix 8192 1 - Live 0x0 (OEK)\n"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		s := &session{stdout: cli.NewOutput(&out, cli.Terminal{}), stderr: cli.NewOutput(new(bytes.Buffer), cli.Terminal{}), limits: limits{limit: usualLimit}}
		s.kernel.Root = root
		_, err := s.one(t.Context(), "unload", "fix", func(context.Context, *splice.Report, running.Options) error {
			if gone {
				return os.WriteFile(filepath.Join(root, "proc/modules"), nil, 0o666)
			}
			return os.RemoveAll(filepath.Join(root, name))
		})
		if gone != (err == nil) || gone != strings.Contains(out.String(), "gone") {
			t.Errorf("without %s: %v, %s", name, err, out.String())
		}
	}
}

// TestPair has flags of a pair of objects without one.
func TestPair(t *testing.T) {
	for _, p := range []proof{{names: []string{"CVE-1"}}, {target: "8021q"}, {pre: "a.o"}, {post: "a.o", names: []string{"CVE-1"}}} {
		if _, err := p.sources(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "takes -pre, -post and -fix") {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
