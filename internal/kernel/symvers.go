package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/errname"
)

// ErrSymvers is wrapped by the error for a text that is no Module.symvers.
var ErrSymvers = errors.New("no Module.symvers")

// maxSymvers bounds the text, in bytes: those of distributions have two megabytes. A
// line takes up to sixteen times its memory.
const maxSymvers = 8 << 20

// ReadSymvers reads a Module.symvers, which lists the exports of a kernel and
// its modules (Documentation/kbuild/modules.rst, section "Symbols From the
// Kernel"): CRC, symbol, module, kind of export and namespace, with tabs
// between them. Errors name the line, and wrap [ErrSymvers] or are those of r.
func ReadSymvers(r io.Reader) (map[string]Export, error) {
	limited := &io.LimitedReader{R: r, N: maxSymvers + 1}
	out, err := readSymvers(limited)
	if err == nil && limited.N == 0 {
		err = fmt.Errorf("symvers: more than %d bytes", maxSymvers)
	}
	var system *fs.PathError
	if err == nil || errors.As(err, &system) {
		return out, err
	}
	return nil, errname.As(err, ErrSymvers)
}

func readSymvers(r io.Reader) (map[string]Export, error) {
	out := map[string]Export{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<16)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) < 4 || len(f) > 5 {
			return nil, fmt.Errorf("symvers line %d: %d fields, want 4 or 5", n, len(f))
		}
		crc, ok := strings.CutPrefix(f[0], "0x")
		v, err := strconv.ParseUint(crc, 16, 32)
		if !ok || err != nil {
			return nil, fmt.Errorf("symvers line %d: %q is no CRC", n, f[0])
		}
		e := Export{Name: f[1], CRC: uint32(v), HasCRC: true, Module: f[2], GPL: strings.Contains(f[3], "GPL")}
		if e.Name == "" || !strings.HasPrefix(f[3], "EXPORT_") {
			return nil, fmt.Errorf("symvers line %d: no export", n)
		}
		if e.Module == "vmlinux" {
			e.Module = ""
		}
		if len(f) == 5 {
			e.Namespace = f[4]
		}
		out[e.Name] = e
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("symvers: %w", err)
	}
	return out, nil
}
