package amd64

// StoresTo reports whether the instruction that b starts with writes to its r/m operand,
// or to the absolute address of a movabs (Intel SDM volume 2, appendix A). Stores of
// vector registers with a VEX or EVEX prefix, and string operations, count as none.
func (i Inst) StoresTo(b []byte) bool {
	op := i.Opcode.Byte()
	for _, r := range storeRows {
		if r.m != i.Opcode.Map() || op < r.first || op > r.last {
			continue
		}
		return r.ext == 0 || i.ModRMOff > 0 && r.ext>>(b[i.ModRMOff]>>3&7)&1 != 0
	}
	return false
}

// storeRows lists opcodes that write to their r/m operand; ext are the values of the
// reg field that do, as bits, where the field extends the opcode.
var storeRows = []struct {
	m           Map
	first, last byte
	ext         byte
}{
	{MapOne, 0x00, 0x01, 0}, {MapOne, 0x08, 0x09, 0}, {MapOne, 0x10, 0x11, 0}, {MapOne, 0x18, 0x19, 0},
	{MapOne, 0x20, 0x21, 0}, {MapOne, 0x28, 0x29, 0}, {MapOne, 0x30, 0x31, 0},
	{MapOne, 0x80, 0x83, 0x7f}, // all but cmp
	{MapOne, 0x86, 0x89, 0}, {MapOne, 0x8c, 0x8c, 0}, {MapOne, 0x8f, 0x8f, 0}, {MapOne, 0xa2, 0xa3, 0},
	{MapOne, 0xc0, 0xc1, 0}, {MapOne, 0xc6, 0xc7, 0}, {MapOne, 0xd0, 0xd3, 0},
	{MapOne, 0xf6, 0xf7, 0x0c}, {MapOne, 0xfe, 0xff, 0x03}, // not, neg; inc, dec
	{Map0F, 0x11, 0x11, 0}, {Map0F, 0x13, 0x13, 0}, {Map0F, 0x17, 0x17, 0}, {Map0F, 0x29, 0x29, 0}, {Map0F, 0x2b, 0x2b, 0},
	{Map0F, 0x7f, 0x7f, 0}, {Map0F, 0x90, 0x9f, 0}, {Map0F, 0xa4, 0xa5, 0}, {Map0F, 0xab, 0xad, 0},
	{Map0F, 0xb0, 0xb1, 0}, {Map0F, 0xb3, 0xb3, 0}, {Map0F, 0xba, 0xba, 0xe0}, {Map0F, 0xbb, 0xbb, 0}, // bts, btr, btc
	{Map0F, 0xc0, 0xc1, 0}, {Map0F, 0xc3, 0xc3, 0}, {Map0F, 0xc7, 0xc7, 0x02}, {Map0F, 0xd6, 0xd6, 0}, {Map0F, 0xe7, 0xe7, 0},
}
