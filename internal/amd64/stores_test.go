package amd64

import (
	"encoding/hex"
	"testing"
)

func TestStoresTo(t *testing.T) {
	for _, c := range []struct {
		name, code string
		want       bool
	}{
		{"mov %rdi,x(%rip)", "48893d00000000", true},
		{"mov x(%rip),%rdi", "488b3d00000000", false},
		{"movl $1,x(%rip)", "c7050000000001000000", true},
		{"addl $1,x(%rip)", "83050000000001", true},
		{"cmpl $1,x(%rip)", "833d0000000001", false},
		{"lock incl x", "f0ff042500000000", true},
		{"call *x", "ff142500000000", false},
		{"push x(%rip)", "ff3500000000", false},
		{"test $1,x(%rip)", "f6050000000001", false},
		{"notl x(%rip)", "f71500000000", true},
		{"lea x(%rip),%rax", "488d0500000000", false},
		{"lock bts $3,x(%rip)", "f00fba2d0000000003", true},
		{"bt $3,x(%rip)", "0fba250000000003", false},
		{"lock cmpxchg %ecx,x(%rip)", "f00fb10d00000000", true},
		{"sete x(%rip)", "0f940500000000", true},
		{"movabs %al,x", "a20000000000000000", true},
		{"movabs x,%al", "a00000000000000000", false},
	} {
		b, err := hex.DecodeString(c.code)
		if err != nil {
			t.Fatal(err)
		}
		in, err := Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := in.StoresTo(b); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
