package amd64

// Which mandatory prefixes an opcode exists with, one hexadecimal digit per
// opcode, sixteen to a line as in the SDM's maps: 1 without prefix, 2 with 66,
// 4 with F3, 8 with F2, and 0 when there is no such opcode. For VEX and EVEX
// the pp field takes the place of the prefix, in the same order. Opcodes to
// which prefixes mean nothing, or size and repetition only, have all four.
//
// The digits are what GNU binutils 2.40 decodes, which is checked by
// TestObjdumpOpcodeSpace; binutils in turn cites the Intel SDM and AMD's
// manuals.

// prefixMaps has what is uniform in a map: the digits, and the form of its
// opcodes where formExceptions does not say otherwise.
var prefixMaps = [numMaps]struct {
	prefixes string
	form     form
}{
	MapOne:   {"", no},
	Map0F:    {prefixes0F, no},
	Map0F38:  {prefixes0F38, mr},
	Map0F3A:  {prefixes0F3A, mb},
	VEX0F:    {prefixesVEX0F, mr},
	VEX0F38:  {prefixesVEX0F38, mr},
	VEX0F3A:  {prefixesVEX0F3A, mb},
	EVEX0F:   {prefixesEVEX0F, mr},
	EVEX0F38: {prefixesEVEX0F38, mr},
	EVEX0F3A: {prefixesEVEX0F3A, mb},
	EVEX5:    {prefixesEVEX5, mr},
	EVEX6:    {prefixesEVEX6, mr},
	XOP8:     {prefixesXOP8, mb},
	XOP9:     {prefixesXOP9, mr},
	XOPA:     {prefixesXOPA, modrm | imm4},
}

// formExceptions are the opcodes that differ from the rest of their map.
var formExceptions = [...]struct {
	m    Map
	op   byte
	form form
}{
	{VEX0F, 0x70, mb}, // vpshufd, vpshufhw, vpshuflw
	{VEX0F, 0x71, mb}, // shift groups
	{VEX0F, 0x72, mb},
	{VEX0F, 0x73, mb},
	{VEX0F, 0x77, no},          // vzeroupper, vzeroall
	{VEX0F, 0xc2, mb},          // vcmpps
	{VEX0F, 0xc4, mb},          // vpinsrw
	{VEX0F, 0xc5, mb},          // vpextrw
	{VEX0F, 0xc6, mb},          // vshufps
	{VEX0F38, 0x4b, mr | vsib}, // tileloadd, tileloaddt1, tilestored
	{VEX0F38, 0x90, mr | vsib}, // vpgatherdd and on
	{VEX0F38, 0x91, mr | vsib},
	{VEX0F38, 0x92, mr | vsib},
	{VEX0F38, 0x93, mr | vsib},
	{EVEX0F, 0x70, mb},
	{EVEX0F, 0x71, mb},
	{EVEX0F, 0x72, mb},
	{EVEX0F, 0x73, mb},
	{EVEX0F, 0xc2, mb},
	{EVEX0F, 0xc4, mb},
	{EVEX0F, 0xc5, mb},
	{EVEX0F, 0xc6, mb},
	{EVEX0F38, 0x90, mr | vsib}, // vpgatherdd and on
	{EVEX0F38, 0x91, mr | vsib},
	{EVEX0F38, 0x92, mr | vsib},
	{EVEX0F38, 0x93, mr | vsib},
	{EVEX0F38, 0xa0, mr | vsib}, // vpscatterdd and on
	{EVEX0F38, 0xa1, mr | vsib},
	{EVEX0F38, 0xa2, mr | vsib},
	{EVEX0F38, 0xa3, mr | vsib},
	{EVEX0F38, 0xc6, mr | vsib}, // vgatherpf0dps and on
	{EVEX0F38, 0xc7, mr | vsib},
}

const prefixes0F = "" +
	"ffff0ffff50f0fff" + // 00
	"fff33373ffffffff" + // 10
	"ffff000033ffff33" + // 20
	"ffffff0ff0300000" + // 30
	"ffffffffffffffff" + // 40
	"3f553333fff7ffff" + // 50
	"3333333333332237" + // 60
	"f3333331bb00aa77" + // 70
	"ffffffffffffffff" + // 80
	"ffffffffffffffff" + // 90
	"ffffffffffffffff" + // a0
	"ffffffff4fff77ff" + // b0
	"fff1333fffffffff" + // c0
	"a33333ef33333333" + // d0
	"333333e333333333" + // e0
	"833333333333333f" // f0

const prefixes0F38 = "" +
	"3333333333330000" + // 00
	"2000220200003330" + // 10
	"2222220022220000" + // 20
	"2222220222222222" + // 30
	"2200000000000000" + // 40
	"0000000000000000" + // 50
	"0000000000000000" + // 60
	"0000000000000000" + // 70
	"2220000000000000" + // 80
	"0000000000000000" + // 90
	"0000000000000000" + // a0
	"0000000000000000" + // b0
	"0000000011111102" + // c0
	"0000000040026666" + // d0
	"0000000000000000" + // e0
	"bb000270e144f000" // f0

const prefixes0F3A = "" +
	"0000000022222223" + // 00
	"0000222200000000" + // 10
	"2220000000000000" + // 20
	"0000000000000000" + // 30
	"2220200000000000" + // 40
	"0000000000000000" + // 50
	"2222000000000000" + // 60
	"0000000000000000" + // 70
	"0000000000000000" + // 80
	"0000000000000000" + // 90
	"0000000000000000" + // a0
	"0000000000000000" + // b0
	"0000000000001022" + // c0
	"0000000000000002" + // d0
	"0000000000000000" + // e0
	"4000000000000000" // f0
