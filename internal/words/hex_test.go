package words

import (
	"bytes"
	"testing"
)

func TestHex(t *testing.T) {
	var a Address
	if err := a.UnmarshalText([]byte("0x13a0")); err != nil || a != 0x13a0 {
		t.Errorf("%#x, %v", uint64(a), err)
	}
	if text, err := a.MarshalText(); err != nil || string(text) != "0x13a0" {
		t.Errorf("%q, %v", text, err)
	}
	var o Octets
	if err := o.UnmarshalText([]byte("e9 5b")); err != nil || !bytes.Equal(o, []byte{0xe9, 0x5b}) {
		t.Errorf("% x, %v", []byte(o), err)
	}
	if text, err := o.MarshalText(); err != nil || string(text) != "e9 5b" {
		t.Errorf("%q, %v", text, err)
	}
	if a.UnmarshalText([]byte("13g")) == nil || o.UnmarshalText([]byte("e9 5")) == nil {
		t.Error("what is no number was read")
	}
}
