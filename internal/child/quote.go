package child

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// plain are characters that mean themselves to a shell (POSIX.1-2017, Shell Command
// Language, 2.2), but for letters and digits.
const plain = "%+,-./:=@_"

// Quote returns arguments as one line for a shell, which reads them as they are.
func Quote(args ...string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = quote(a)
	}
	return strings.Join(quoted, " ")
}

func quote(s string) string {
	special := strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune(plain, r)
	})
	if s != "" && !special {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// logs keeps lines of logs whole.
var logs sync.Mutex

// Log writes a command that is run into a log, as a line for a shell, with its folder. A log that
// is nil is nobody's.
func Log(w io.Writer, dir string, argv ...string) {
	if w == nil {
		return
	}
	logs.Lock()
	defer logs.Unlock()
	fmt.Fprintf(w, "cd %s && %s\n", quote(dir), Quote(argv...))
}
