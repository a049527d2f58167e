package klink

import (
	"testing"

	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/kcode"
)

// TestOrcEntry encodes rows for both versions of the format.
func TestOrcEntry(t *testing.T) {
	headers := map[uint64]string{3: "fe5d32bf581bd63b2ca9a5c65ba5a625eab3fe24"}
	for _, c := range []struct {
		row  kcode.UnwindRow
		bits uint64
		want string
	}{
		{kcode.UnwindRow{Base: kcode.BaseSP, Frame: 8}, 2, "\x08\x00\x00\x00\x05\x00"},
		{kcode.UnwindRow{Base: kcode.BaseSP, Frame: 8}, 3, "\x08\x00\x00\x00\x05\x02"},
		{kcode.UnwindRow{Base: kcode.BaseSP, Frame: 24, SavedBP: -16}, 3, "\x18\x00\xf0\xff\x15\x02"},
		{kcode.UnwindRow{Base: kcode.BaseBP, Frame: 16, SavedBP: -16}, 2, "\x10\x00\xf0\xff\x14\x00"},
		{kcode.UnwindRow{Offset: 64}, 3, "\x00\x00\x00\x00\x00\x00"},
	} {
		form, ok := kerneltab.ORCOf(c.bits, headers[c.bits])
		if got := orcEntry(&c.row, &form); !ok || string(got) != c.want {
			t.Errorf("%+v with %d bits: %x", c.row, c.bits, got)
		}
	}
	for _, c := range []struct {
		bits   uint64
		header string
	}{{2, headers[3]}, {3, ""}, {3, "00"}, {4, ""}} {
		if form, ok := kerneltab.ORCOf(c.bits, c.header); ok {
			t.Errorf("%d bits, header %q: %+v", c.bits, c.header, form)
		}
	}
}
