package splice

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/amd64"
)

// gotSlot returns a slot that holds the address: that of the program, or one
// of our own.
func (k *linking) gotSlot(u *use) (uint64, error) {
	if _, ok := k.local(u); !ok {
		r, err := k.resolved(u)
		if err != nil {
			return 0, err
		}
		if r.GOT != 0 {
			return r.GOT, nil
		}
	}
	a, err := k.address(u)
	if err != nil {
		return 0, err
	}
	return k.slotFor(a), nil
}

func (k *linking) tpOff(u *use) (uint64, error) {
	r, err := k.resolved(u)
	return k.tpOffOr(r, u, err)
}

func (k *linking) tpOffOr(r *Resolved, u *use, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	if r.TPOff == nil {
		return 0, u.refuse(CodeTLSModel, "its offset from the thread pointer is not known")
	}
	return uint64(*r.TPOff), nil
}

func (k *linking) tpSlot(u *use) (uint64, error) {
	r, err := k.resolved(u)
	switch {
	case err != nil:
		return 0, err
	case r.TLSSlot != 0:
		return r.TLSSlot, nil
	case r.TPOff != nil:
		return k.slotFor(uint64(*r.TPOff)), nil
	}
	return 0, u.refuse(CodeTLSModel, "no slot holds its offset from the thread pointer")
}

func (k *linking) dtpOff(u *use) (uint64, error) {
	r, err := k.resolved(u)
	if err != nil {
		return 0, err
	}
	if exec, err := k.isLocalExec(u.obj); err != nil || exec && u.area == areaCode {
		return k.tpOffOr(r, u, err)
	}
	if r.TLS == nil {
		return 0, u.refuse(CodeTLSModel, "its offset in the TLS block is not known")
	}
	return *r.TLS, nil
}

func (k *linking) tlsPair(u *use) (uint64, error) {
	r, err := k.resolved(u)
	if err != nil {
		return 0, err
	}
	if r.TLSPair == 0 {
		return 0, u.refuse(CodeTLSModel, "the program has no GOT entries that name its TLS module")
	}
	return r.TLSPair, nil
}

func (k *linking) tlsBlock(u *use) (uint64, error) {
	r, err := k.resolved(u)
	if err != nil {
		return 0, err
	}
	if r.TLSBlock == 0 {
		return 0, u.refuse(CodeTLSModel, "no code that was matched uses the GOT entries of its TLS block")
	}
	return r.TLSBlock, nil
}

func (k *linking) tlsDesc(u *use) (uint64, error) {
	r, err := k.resolved(u)
	if err != nil {
		return 0, err
	}
	if r.TLSDesc == 0 {
		return 0, u.refuse(CodeTLSModel, "the program has no descriptor of it that the dynamic linker has filled in")
	}
	return r.TLSDesc, nil
}

// slotFor returns the address of a GOT slot of our own that holds v.
func (k *linking) slotFor(v uint64) uint64 {
	if a, ok := k.slot[v]; ok {
		return a
	}
	m := k.mem[areaConst]
	for len(m)%8 != 0 {
		m = append(m, 0)
	}
	a := k.base[areaConst] + uint64(len(m))
	k.mem[areaConst] = binary.LittleEndian.AppendUint64(m, v)
	k.slot[v] = a
	return a
}

// thunkTo returns the address of a jump through a slot to a function that is too far
// away.
func (k *linking) thunkTo(v uint64) uint64 {
	if a, ok := k.thunk[v]; ok {
		return a
	}
	slot := k.slotFor(v)
	m := k.mem[areaCode]
	for len(m)%thunkSize != 0 {
		m = append(m, amd64.FillInt3)
	}
	a := k.base[areaCode] + uint64(len(m))
	jump := amd64.JmpSlot(a, slot)
	m = append(m, jump[:]...)
	for len(m)%thunkSize != 0 {
		m = append(m, amd64.FillInt3)
	}
	k.mem[areaCode] = m
	k.thunk[v] = a
	return a
}
