package amd64

// HowtoOf returns the recipe of a relocation type, the ELF64_R_TYPE of r_info.
// It knows the types of the x86-64 psABI 1.0, section 4.4.1, including those
// for APX (CODE_4 to CODE_6), and the two of the GNU C++ vtable collector.
// The result is shared and must not be written to.
func HowtoOf(typ uint32) (*Howto, bool) {
	if typ < uint32(len(howtos)) {
		return &howtos[typ], true
	}
	for i := range vtableHowtos {
		if vtableHowtos[i].Type == typ {
			return &vtableHowtos[i], true
		}
	}
	return nil, false
}

// howtos has one row per type; the row's index is the type's number, which a
// test checks. Columns: number, name, bytes, minus P, overflow, expression.
//
// The overflow rules are the psABI's and lld's. ld is more forgiving in 8 and 16
// bits: it takes results that lose their sign, and for PC16 unsigned ones too.
var howtos = [...]Howto{
	{0, "R_X86_64_NONE", 0, false, Wraps, ExprNone},
	{1, "R_X86_64_64", 8, false, Wraps, ExprAbs},
	{2, "R_X86_64_PC32", 4, true, Signed, ExprPC},
	{3, "R_X86_64_GOT32", 4, false, Signed, ExprGOT},
	{4, "R_X86_64_PLT32", 4, true, Signed, ExprPLT},
	{5, "R_X86_64_COPY", 0, false, Wraps, ExprCopy},
	{6, "R_X86_64_GLOB_DAT", 8, false, Wraps, ExprSym},
	{7, "R_X86_64_JUMP_SLOT", 8, false, Wraps, ExprSym},
	{8, "R_X86_64_RELATIVE", 8, false, Wraps, ExprBase},
	{9, "R_X86_64_GOTPCREL", 4, true, Signed, ExprGOTPC},
	{10, "R_X86_64_32", 4, false, Unsigned, ExprAbs},
	{11, "R_X86_64_32S", 4, false, Signed, ExprAbs},
	{12, "R_X86_64_16", 2, false, Bitfield, ExprAbs},
	{13, "R_X86_64_PC16", 2, true, Signed, ExprPC},
	{14, "R_X86_64_8", 1, false, Bitfield, ExprAbs},
	{15, "R_X86_64_PC8", 1, true, Signed, ExprPC},
	{16, "R_X86_64_DTPMOD64", 8, false, Wraps, ExprDTPMod},
	{17, "R_X86_64_DTPOFF64", 8, false, Wraps, ExprDTPOff},
	{18, "R_X86_64_TPOFF64", 8, false, Wraps, ExprTPOff},
	{19, "R_X86_64_TLSGD", 4, true, Signed, ExprTLSGD},
	{20, "R_X86_64_TLSLD", 4, true, Signed, ExprTLSLD},
	{21, "R_X86_64_DTPOFF32", 4, false, Signed, ExprDTPOff},
	{22, "R_X86_64_GOTTPOFF", 4, true, Signed, ExprTPSlot},
	{23, "R_X86_64_TPOFF32", 4, false, Signed, ExprTPOff},
	{24, "R_X86_64_PC64", 8, true, Wraps, ExprPC},
	{25, "R_X86_64_GOTOFF64", 8, false, Wraps, ExprGOTOff},
	{26, "R_X86_64_GOTPC32", 4, true, Signed, ExprGOTBase},
	{27, "R_X86_64_GOT64", 8, false, Wraps, ExprGOT},
	{28, "R_X86_64_GOTPCREL64", 8, true, Wraps, ExprGOTPC},
	{29, "R_X86_64_GOTPC64", 8, true, Wraps, ExprGOTBase},
	{30, "R_X86_64_GOTPLT64", 8, false, Wraps, ExprGOT},
	{31, "R_X86_64_PLTOFF64", 8, false, Wraps, ExprPLTOff},
	{32, "R_X86_64_SIZE32", 4, false, Unsigned, ExprSize},
	{33, "R_X86_64_SIZE64", 8, false, Wraps, ExprSize},
	{34, "R_X86_64_GOTPC32_TLSDESC", 4, true, Signed, ExprDescSlot},
	{35, "R_X86_64_TLSDESC_CALL", 0, false, Wraps, ExprNone},
	{36, "R_X86_64_TLSDESC", 16, false, Wraps, ExprDesc},
	{37, "R_X86_64_IRELATIVE", 8, false, Wraps, ExprIndirect},
	{38, "R_X86_64_RELATIVE64", 8, false, Wraps, ExprBase},
	{39, "R_X86_64_PC32_BND", 4, true, Signed, ExprPC},
	{40, "R_X86_64_PLT32_BND", 4, true, Signed, ExprPLT},
	{41, "R_X86_64_GOTPCRELX", 4, true, Signed, ExprGOTPC},
	{42, "R_X86_64_REX_GOTPCRELX", 4, true, Signed, ExprGOTPC},
	{43, "R_X86_64_CODE_4_GOTPCRELX", 4, true, Signed, ExprGOTPC},
	{44, "R_X86_64_CODE_4_GOTTPOFF", 4, true, Signed, ExprTPSlot},
	{45, "R_X86_64_CODE_4_GOTPC32_TLSDESC", 4, true, Signed, ExprDescSlot},
	{46, "R_X86_64_CODE_5_GOTPCRELX", 4, true, Signed, ExprGOTPC},
	{47, "R_X86_64_CODE_5_GOTTPOFF", 4, true, Signed, ExprTPSlot},
	{48, "R_X86_64_CODE_5_GOTPC32_TLSDESC", 4, true, Signed, ExprDescSlot},
	{49, "R_X86_64_CODE_6_GOTPCRELX", 4, true, Signed, ExprGOTPC},
	{50, "R_X86_64_CODE_6_GOTTPOFF", 4, true, Signed, ExprTPSlot},
	{51, "R_X86_64_CODE_6_GOTPC32_TLSDESC", 4, true, Signed, ExprDescSlot},
}

// The GNU extensions that -fvtable-gc leaves in objects: markers without a field.
var vtableHowtos = [...]Howto{
	{250, "R_X86_64_GNU_VTINHERIT", 0, false, Wraps, ExprNone},
	{251, "R_X86_64_GNU_VTENTRY", 0, false, Wraps, ExprNone},
}
