package procfs

import (
	"encoding/binary"
	"testing"
)

// execMessage is what the connector sends when a process executes a program.
func execMessage(pid uint32) []byte {
	b := make([]byte, nlHeader+cnHeader+40)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	for at, v := range map[int]uint32{nlHeader: cnIdxProc, nlHeader + 4: cnValProc, nlHeader + cnHeader: procExec, nlHeader + cnHeader + procHeader: pid, nlHeader + cnHeader + procHeader + 4: pid} {
		binary.NativeEndian.PutUint32(b[at:], v)
	}
	return b
}

func TestExecEvents(t *testing.T) {
	fork := execMessage(5)
	binary.NativeEndian.PutUint32(fork[nlHeader+cnHeader:], 1)
	for _, c := range []struct {
		name string
		b    []byte
		want int
	}{
		{"one", execMessage(42), 1},
		{"several", append(append(execMessage(1), fork...), execMessage(2)...), 2},
		{"cut", execMessage(42)[:50], 0},
		{"none", nil, 0},
		{"fork", fork, 0},
		{"no process", execMessage(0), 0},
	} {
		if got := parseExecEvents(c.b); len(got) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func FuzzExecEvents(f *testing.F) {
	f.Add(execMessage(42))
	f.Add(append(execMessage(1), execMessage(2)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if list := parseExecEvents(b); len(list) > len(b)/nlHeader {
			t.Errorf("%d events in %d bytes", len(list), len(b))
		}
	})
}
