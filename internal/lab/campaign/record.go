package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/gosplice/gosplice/reloc/image"
	splicing "github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// Where the record of the seed says that things are.
const (
	recordStart = 0x7f0000000000
	recordCode  = recordStart + 4*splicing.PageSize
	recordData  = recordCode + splicing.PageSize
	recordEnd   = recordData + splicing.PageSize
	oldCode     = recordStart - 16*splicing.PageSize
	oldFunction = oldCode + 64
)

// recordSeed is the body of a record, as splice/process describes it.
func recordSeed() ([]byte, error) {
	direct, err := splicing.Jump(splicing.JmpRel32, oldFunction, recordCode+64)
	if err != nil {
		return nil, err
	}
	staged, err := splicing.Jump(splicing.JmpRel32, oldFunction, recordCode)
	if err != nil {
		return nil, err
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `{"format":1,"name":"fix","id":"0123456789abcdef","time":1,"start":%d,"end":%d,"code":[%d,%d],"frames":[[%d,%d]],"entries":[%d],`+
		`"redirects":[{"function":"f","module":"m","address":%d,"at":%d,"orig":"%s","direct":"%s","staged":"%s","stub":%d,"slot":%d,"old_path":%d,"new":%d}]}`,
		uint64(recordStart), uint64(recordEnd), uint64(recordCode), uint64(recordData), uint64(recordStart+2048), uint64(recordStart+2080), uint64(recordCode+64),
		uint64(oldFunction), uint64(oldFunction), b64([]byte{0x55, 0x48, 0x89, 0xe5, 0x90}), b64(direct.Bytes), b64(staged.Bytes),
		uint64(recordCode), uint64(recordStart+3*splicing.PageSize), uint64(recordCode+16), uint64(recordCode+64)), nil
}

// processMemory is the memory of a process that holds a record.
type processMemory struct {
	parts []part
}

type part struct {
	start uint64
	b     []byte
}

func (m *processMemory) ReadAddr(p []byte, addr uint64) error {
	for _, part := range m.parts {
		if addr >= part.start && addr-part.start <= uint64(len(part.b)) && uint64(len(p)) <= uint64(len(part.b))-(addr-part.start) {
			copy(p, part.b[addr-part.start:])
			return nil
		}
	}
	return &image.AddrError{Addr: addr, Len: len(p), Err: image.ErrUnmapped}
}

// runRecord puts the record into a process, and asks for the updates in it.
func runRecord(in *input) string {
	sum := sha256.Sum256(in.changed)
	head := append([]byte("\x7fgosplice record"), le.AppendUint64(nil, uint64(len(in.changed)))...)
	page := bytes.Join([][]byte{head, sum[:], in.changed}, nil)
	if in.rng.IntN(8) == 0 {
		page = mutateBytes(in.rng, page)
	}
	size := max(4*splicing.PageSize, (len(page)+splicing.PageSize-1)&^(splicing.PageSize-1))
	page = append(page, make([]byte, size-len(page))...)
	old := make([]byte, splicing.PageSize)
	copy(old[oldFunction-oldCode:], []byte{0x55, 0x48, 0x89, 0xe5, 0x90})
	mem := &processMemory{parts: []part{{recordStart, page[:4*splicing.PageSize]}, {recordCode, make([]byte, splicing.PageSize)}, {recordData, make([]byte, splicing.PageSize)}, {oldCode, old}}}
	var regions []image.Region
	for i, p := range mem.parts {
		r := image.Region{Start: p.start, End: p.start + uint64(len(p.b)), Read: true, Exec: i == 1 || i == 3, Write: i == 2, Module: image.NoModule}
		if i == 3 {
			r.Module = 0
		}
		regions = append(regions, r)
	}
	if len(page) > 4*splicing.PageSize { // one that is large stands alone
		mem.parts[0].b, regions[0].End = page, recordStart+uint64(len(page))
		mem.parts, regions = mem.parts[:1], regions[:1]
	}
	img, err := image.NewImage(mem, regions, []image.Module{{Name: "m", Start: oldCode, End: oldCode + splicing.PageSize, Main: true}}, nil)
	if err != nil {
		return "BROKEN " + err.Error()
	}
	list, err := process.StatusOf(context.Background(), img)
	if err != nil {
		return outcomeOf(err)
	}
	if len(list) == 0 {
		return "no record"
	}
	return string(list[0].State)
}
