package vm

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/vm/wire"
)

// Record is one record of the kernel log.
type Record struct {
	Level int           // 0 (emergency) to 7 (debug)
	Seq   uint64        // of the kernel, from 0
	Time  time.Duration // since boot
	Text  string        // one line or several, without the newline at the end
}

// String returns the record as dmesg prints it.
func (r Record) String() string {
	return fmt.Sprintf("[%12.6f] %s", r.Time.Seconds(), r.Text)
}

// lostText stands for records that the kernel overwrote before they were read.
const lostText = "(kernel log records were lost here)"

// ParseRecord reads a record as /dev/kmsg gives it: "priority,sequence,
// microseconds,flags[,more];text", and lines that begin with a blank, which
// describe the device that spoke and are left out (Documentation/ABI/testing/dev-kmsg).
func ParseRecord(b []byte) (Record, error) {
	head, text, ok := strings.Cut(string(b), ";")
	f := strings.SplitN(head, ",", 4)
	if !ok || len(f) < 4 {
		return Record{}, fmt.Errorf("kernel log record without a head: %.80q", b)
	}
	var n [3]uint64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseUint(f[i], 10, 63); err != nil {
			return Record{}, fmt.Errorf("kernel log record: %w", err)
		}
	}
	text, _, _ = strings.Cut(text, "\n")
	return Record{Level: int(n[0] & 7), Seq: n[1], Time: time.Duration(n[2]) * time.Microsecond, Text: unescape(text)}, nil
}

// unescape undoes the kernel's \xNN, which stands for control characters, the
// backslash and everything beyond ASCII.
func unescape(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (m *Machine) addRecord(msg *wire.Message) {
	r := Record{Text: lostText}
	if msg.Op == wire.Log {
		var err error
		if r, err = ParseRecord(msg.Field(0)); err != nil {
			r.Text = err.Error()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.log = append(m.log, r)
}

// mark returns a place in the log for since.
func (m *Machine) mark() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.log)
}

// since returns the records from a mark on. The log only grows, so that the
// slice stays as it is.
func (m *Machine) since(mark int) []Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log[mark:len(m.log):len(m.log)]
}
