package cli

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// shared is a buffer that a goroutine writes to.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestProgress has a step that takes long, and nothing left of it; and one that does
// not.
func TestProgress(t *testing.T) {
	tool := Tool{Name: "tool"}
	for _, c := range []struct {
		wait time.Duration
		want string
	}{{time.Millisecond, eraseLine + `tool: x\u001b, 3 of 4`}, {time.Hour, ""}} {
		var out shared
		p := &Progress{name: tool.Name, stop: make(chan struct{})}
		p.start(&out, c.wait)
		p.Tell("x\x1b", 3, 4)
		for range 500 {
			if strings.Contains(out.String(), c.want) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		p.Stop()
		p.Stop()
		if got := out.String(); c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || c.want != "" && !strings.HasSuffix(got, eraseLine) {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestNoProgress shows nothing where nobody looks.
func TestNoProgress(t *testing.T) {
	var out bytes.Buffer
	p := (&Tool{Name: "tool"}).Progress(NewOutput(&out, Terminal{}))
	p.Tell("x", 1, 2)
	p.Step("%s", "y")
	p.Stop()
	if out.Len() > 0 {
		t.Errorf("%q", &out)
	}
}
