package trial

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// entrySize is how much of the beginning of a function is looked at, in bytes: ENDBR64, and a
// call or a jump.
const entrySize = 9

const (
	opCall = 0xe8
	opJump = 0xe9
)

// transfer decodes the call or the jump that a function begins with.
func transfer(entry []byte, addr uint64) (op byte, to uint64) {
	n := amd64.EndbrLen(entry)
	b := entry[n:]
	const size = 5
	if b[0] != opCall && b[0] != opJump {
		return 0, 0
	}
	return b[0], addr + uint64(n) + size + uint64(int64(int32(binary.LittleEndian.Uint32(b[1:]))))
}

// lead returns the bytes where the call or the jump is, and what is before it: what follows
// may be another for a module that was loaded again.
func lead(entry []byte) []byte {
	return entry[:entrySize-amd64.EndbrSize+amd64.EndbrLen(entry)]
}

func hex(addr uint64) string { return fmt.Sprintf("%#x", addr) }

// span is where code of the update is.
type span struct{ start, end uint64 }

// code returns where the update's code is: the address that the kernel lists is that of its
// code, with which a module begins.
func (t *trial) code(ctx context.Context) (span, error) {
	list, err := t.m.ReadFile(ctx, "/proc/modules")
	if err != nil {
		return span{}, err
	}
	size, err := codeSize(t.Update.Bytes())
	if err != nil {
		return span{}, err
	}
	for line := range strings.Lines(string(list)) {
		// Name, size, users, who they are, state, address.
		f := strings.Fields(line)
		if len(f) < 6 || f[0] != t.Update.Name {
			continue
		}
		at, err := strconv.ParseUint(f[5], 0, 64)
		return span{at, at + size}, err
	}
	return span{}, errors.New("the kernel does not list the update among its modules")
}

// codeSize returns how large the code of a module can be in memory: what is there for as long
// as it is loaded, in whole pages.
func codeSize(image []byte) (uint64, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return 0, err
	}
	size := uint64(0)
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Flags&elf.SHF_EXECINSTR != 0 && !strings.HasPrefix(s.Name, kerneltab.Init) {
			size = roundUp(size, max(1, s.Addralign)) + s.Size
		}
	}
	const page = 4096
	return roundUp(size, page), nil
}

func roundUp(n, to uint64) uint64 { return (n + to - 1) / to * to }
