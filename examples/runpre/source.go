package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/image/gdb"
)

// source is what runs, and where the symbols come from that it has not itself.
type source struct {
	where   string
	kernel  string
	symbols string
}

// schemes are the forms of -run that are no files, by what they begin with.
var schemes = map[string]func(ctx context.Context, s source, rest string) (*image.Image, error){
	"pid":    openPID,
	"kernel": openRunning,
	"dump":   openDump,
	"gdb":    openGDB,
}

// open opens what -run names.
func (s source) open(ctx context.Context) (*image.Image, error) {
	scheme, rest, found := strings.Cut(s.where, ":")
	if fn := schemes[scheme]; found && fn != nil {
		return fn(ctx, s, rest)
	}
	var opt image.ModuleOptions
	if s.kernel != "" {
		k, err := image.OpenKernel(s.kernel)
		if err != nil {
			return nil, err
		}
		defer k.Close() // what it lent are addresses
		opt.Kernel = k
	}
	return image.Open(s.where, opt)
}

func openPID(_ context.Context, s source, rest string) (*image.Image, error) {
	n, err := strconv.Atoi(rest)
	if err != nil || n <= 0 {
		return nil, fmt.Errorf("-run %s: no process id", s.where)
	}
	return image.OpenProcess(n)
}

func openRunning(_ context.Context, _ source, rest string) (*image.Image, error) {
	if rest == "" {
		return image.OpenRunning()
	}
	return image.NewRunning(os.DirFS(rest))
}

func openDump(_ context.Context, s source, rest string) (*image.Image, error) {
	i := strings.LastIndexByte(rest, '@')
	if i < 0 {
		return nil, fmt.Errorf("-run %s: want dump:FILE@ADDR", s.where)
	}
	base, err := strconv.ParseUint(rest[i+1:], 0, 64)
	if err != nil {
		return nil, fmt.Errorf("-run %s: address: %w", s.where, err)
	}
	return image.OpenDump(rest[:i], image.Dump{Base: base, Symbols: s.symbols})
}

func openGDB(ctx context.Context, s source, rest string) (*image.Image, error) {
	if s.symbols == "" {
		return nil, fmt.Errorf("-run %s: needs -symbols with the kernel's vmlinux, vmlinuz or System.map", s.where)
	}
	return gdb.Open(ctx, rest, s.symbols)
}
