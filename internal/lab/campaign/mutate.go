package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math/rand/v2"
	"strconv"
)

var le = binary.LittleEndian

// numbers are what fields are set to: the edges of what they may hold.
var numbers = []uint64{0, 1, 2, 3, 7, 8, 15, 16, 24, 63, 64, 255, 256, 4095, 4096, 0x7fff, 0x8000, 0xff00, 0xffff, 1 << 16, 1 << 20, 1 << 28,
	1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 40, 1 << 47, 1<<63 - 1, 1 << 63, 1<<64 - 1, 1<<64 - 8}

// maxChanges bounds the changes of one input.
const maxChanges = 6

// mutateBytes changes bytes wherever they are.
func mutateBytes(rng *rand.Rand, b []byte) []byte {
	for range 1 + rng.IntN(maxChanges) {
		b = changeBytes(rng, b)
	}
	return b
}

func changeBytes(rng *rand.Rand, b []byte) []byte {
	if len(b) == 0 {
		return []byte{byte(rng.Uint32())}
	}
	at := rng.IntN(len(b))
	switch rng.IntN(10) {
	case 0:
		b[at] ^= 1 << rng.IntN(8)
	case 1:
		b[at] = byte(rng.Uint32())
	case 2, 3:
		put(b, at&^7, 8, number(rng, b))
	case 4, 5:
		put(b, at&^3, 4, number(rng, b))
	case 6:
		put(b, at&^1, 2, number(rng, b))
	case 7: // one place becomes another
		n := min(1+rng.IntN(64), len(b)-at)
		copy(b[at:at+n], b[rng.IntN(len(b)):])
	case 8:
		if rng.IntN(4) == 0 {
			return b[:at]
		}
		b[at] = 0xff
	case 9:
		if n := min(1+rng.IntN(32), len(b)-at); rng.IntN(2) == 0 {
			return append(b[:at:at], b[at+n:]...)
		} else {
			return append(b[:at+n:at+n], b[at:]...)
		}
	}
	return b
}

// number is an edge, or near to a number that is in the input.
func number(rng *rand.Rand, b []byte) uint64 {
	switch rng.IntN(3) {
	case 0:
		if len(b) >= 8 {
			return le.Uint64(b[rng.IntN(len(b)-7):]) + uint64(rng.IntN(5)) - 2
		}
	case 1:
		return uint64(rng.IntN(len(b) + 2))
	}
	return numbers[rng.IntN(len(numbers))]
}

func put(b []byte, at, n int, v uint64) {
	var w [8]byte
	le.PutUint64(w[:], v)
	copy(b[at:], w[:n])
}

// mutateELF changes fields of the tables of an ELF file more often than bytes.
func mutateELF(rng *rand.Rand, b []byte) []byte {
	for range 1 + rng.IntN(maxChanges) {
		if rng.IntN(3) == 0 || !changeField(rng, b) {
			b = changeBytes(rng, b)
		}
	}
	return b
}

// changeField sets a field of a header, or of an entry of a table.
func changeField(rng *rand.Rand, b []byte) bool {
	if len(b) < 64 || !bytes.HasPrefix(b, []byte("\x7fELF")) {
		return false
	}
	shoff, n := le.Uint64(b[40:]), uint64(le.Uint16(b[60:]))
	if rng.IntN(12) == 0 || n == 0 || shoff > uint64(len(b)) || n*64 > uint64(len(b))-shoff {
		if phoff, k := le.Uint64(b[32:]), uint64(le.Uint16(b[56:])); k > 0 && rng.IntN(2) == 0 && phoff < uint64(len(b)) && k*56 <= uint64(len(b))-phoff {
			put(b, int(phoff)+56*rng.IntN(int(k))+8*rng.IntN(7), 8, number(rng, b))
			return true
		}
		put(b, 16+rng.IntN(48)&^1, 2, number(rng, b))
		return true
	}
	header := b[shoff+64*uint64(rng.IntN(int(n))):]
	off, size, entry := le.Uint64(header[24:]), le.Uint64(header[32:]), le.Uint64(header[56:])
	if rng.IntN(3) == 0 || off > uint64(len(b)) || size > uint64(len(b))-off || size < 8 {
		field := rng.IntN(16)
		put(header, field*4, 4, number(rng, b))
		return true
	}
	if entry == 0 || entry > 64 || entry > size {
		entry = 4
	}
	at := off + entry*uint64(rng.IntN(int(size/entry)))
	put(b[:off+size], int(at)+int(min(entry, 8))*rng.IntN(int(max(entry/8, 1))), []int{1, 4, 8}[rng.IntN(3)], number(rng, b))
	return true
}

// mutateText changes words and lines.
func mutateText(rng *rand.Rand, b []byte) []byte {
	for range 1 + rng.IntN(maxChanges) {
		if len(b) > maxInput {
			break
		}
		lines := bytes.Split(b, []byte("\n"))
		i := rng.IntN(len(lines))
		switch rng.IntN(5) {
		case 0:
			b = changeBytes(rng, b)
			continue
		case 1:
			lines[i] = lines[rng.IntN(len(lines))]
		case 2:
			lines = append(lines[:i:i], lines[i+1:]...)
		case 3:
			f := bytes.Split(lines[i], []byte("\t"))
			f[rng.IntN(len(f))] = strconv.AppendUint([]byte("0x"), numbers[rng.IntN(len(numbers))], 16)
			lines[i] = bytes.Join(f, []byte("\t"))
		case 4:
			lines[i] = bytes.Repeat(lines[i][:min(len(lines[i]), 1<<10)], 1+rng.IntN(1<<rng.IntN(12)))
		}
		b = bytes.Join(lines, []byte("\n"))
	}
	return b
}

// mutateJSON changes numbers and the ELF files that stand in base64 in it.
func mutateJSON(rng *rand.Rand, b []byte) []byte {
	for range 1 + rng.IntN(maxChanges) {
		switch rng.IntN(12) {
		case 0:
			b = changeBytes(rng, b)
		case 1, 2, 3, 4:
			b = changeBase64(rng, b)
		case 5:
			b = changePart(rng, b)
		default:
			b = changeNumber(rng, b)
		}
	}
	return b
}

// span finds the longest run of bytes that a function takes, around a place.
func span(b []byte, at int, in func(c byte) bool) (lo, hi int) {
	for ; at < len(b) && !in(b[at]); at++ {
	}
	for lo = at; lo > 0 && in(b[lo-1]); lo-- {
	}
	for hi = at; hi < len(b) && in(b[hi]); hi++ {
	}
	return lo, hi
}

func splice(b []byte, lo, hi int, with []byte) []byte {
	return append(append(b[:lo:lo], with...), b[hi:]...)
}

// changeNumber changes a number behind a colon, a comma or a bracket.
func changeNumber(rng *rand.Rand, b []byte) []byte {
	at := rng.IntN(len(b) + 1)
	for range b {
		if at++; at >= len(b) {
			at = 1
		}
		if at < len(b) && b[at] >= '0' && b[at] <= '9' && bytes.IndexByte([]byte(": ,[\t"), b[at-1]) >= 0 {
			lo, hi := span(b, at, func(c byte) bool { return c >= '0' && c <= '9' })
			return splice(b, lo, hi, strconv.AppendUint(nil, number(rng, b), 10))
		}
	}
	return b
}

// changePart doubles, removes or moves what is in a pair of braces or brackets.
func changePart(rng *rand.Rand, b []byte) []byte {
	lo := rng.IntN(len(b) + 1)
	for ; lo < len(b) && b[lo] != '{' && b[lo] != '['; lo++ {
	}
	depth, hi := 0, lo
	for ; hi < len(b); hi++ {
		switch b[hi] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth == 0 {
			hi++
			break
		}
	}
	part := append([]byte(nil), b[lo:min(hi, len(b))]...)
	switch rng.IntN(3) {
	case 0:
		part = append(append(append([]byte(nil), part...), ','), part...)
	case 1:
		part = []byte("null")
	default:
		part = bytes.Repeat(append(part, ','), 1+rng.IntN(64))
	}
	return splice(b, lo, min(hi, len(b)), part)
}

// changeBase64 changes what a long string of base64 stands for.
func changeBase64(rng *rand.Rand, b []byte) []byte {
	lo, hi := span(b, rng.IntN(len(b)+1), func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '+' || c == '/' || c == '='
	})
	raw, err := base64.StdEncoding.DecodeString(string(b[lo:hi]))
	if err != nil || len(raw) < 4 {
		return changeNumber(rng, b)
	}
	return splice(b, lo, hi, []byte(base64.StdEncoding.EncodeToString(mutateELF(rng, raw))))
}
