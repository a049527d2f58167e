package amd64

// A modrmRule says for an opcode that is not defined for every ModRM byte
// which mandatory prefixes each part exists with, in the digits of
// map_prefix.go. mem has a digit for each value of the reg field when the
// operand is memory. reg has the same for registers, or, when the r/m field
// selects an instruction too, one for each ModRM byte from c0 to ff, eight to
// a group.
type modrmRule struct {
	m        Map
	op       byte
	mem, reg string
}

// prefixesFor returns the mask of mandatory prefixes that the ModRM byte
// exists with.
func (r *modrmRule) prefixesFor(b byte) uint8 {
	reg := b >> 3 & 7
	switch {
	case b < 0xc0:
		return nibble(r.mem[reg])
	case len(r.reg) == 8:
		return nibble(r.reg[reg])
	default:
		return nibble(r.reg[9*reg+(b&7)]) // eight digits and a space
	}
}

var modrmRules = [...]modrmRule{
	{MapOne, 0x8d, "ffffffff", "00000000"}, // lea
	{MapOne, 0x8f, "f0000000", "f0000000"}, // pop; all others are XOP
	{MapOne, 0xc6, "f0000000", "ffffffff 00000000 00000000 00000000 00000000 00000000 00000000 f0000000"}, // mov, movb, xabort
	{MapOne, 0xc7, "f0000000", "ffffffff 00000000 00000000 00000000 00000000 00000000 00000000 f0000000"}, // mov, movl, movw
	{MapOne, 0xd9, "f0ffffff", "ffffffff ffffffff f0000000 00000000 ff00ff00 fffffff0 ffffffff ffffffff"}, // f2xm1, fabs, fchs
	{MapOne, 0xda, "ffffffff", "ffffffff ffffffff ffffffff ffffffff 00000000 0f000000 00000000 00000000"}, // fcmovb, fcmovbe, fcmove
	{MapOne, 0xdb, "ffff0f0f", "ffffffff ffffffff ffffffff ffffffff ffffff00 ffffffff ffffffff 00000000"}, // fcmovnb, fcmovnbe, fcmovne
	{MapOne, 0xdc, "ffffffff", "ff00ffff"}, // fadd, faddl, fcoml
	{MapOne, 0xdd, "fffff0ff", "f0ffff00"}, // ffree, fisttpll, fldl
	{MapOne, 0xde, "ffffffff", "ffffffff ffffffff 00000000 0f000000 ffffffff ffffffff ffffffff ffffffff"}, // faddp, fcompp, fdivp
	{MapOne, 0xdf, "ffffffff", "ffffffff 00000000 00000000 00000000 f0000000 ffffffff ffffffff 00000000"}, // fbld, fbstp, fcomip
	{MapOne, 0xfe, "ff000000", "ff000000"}, // dec, decb, inc
	{MapOne, 0xff, "fffffff0", "fff0f0f0"}, // call, callw, dec
	{Map0F, 0x00, "ffffff80", "ffffff80"},  // sldt and on; lkgs is newer than binutils 2.40
	{Map0F, 0x01, "fffff4ff", "ffffffd0 ffff2223 ff00ffff fdffffff ffffffff d8404455 ffffffff ff51f5dd"}, // clac, clgi, clui
	{Map0F, 0x0d, "ffffffff", "00000000"}, // prefetch, prefetchw, prefetchwt1
	{Map0F, 0x12, "ffffffff", "dddddddd"}, // movddup, movhlps, movlpd
	{Map0F, 0x13, "33333333", "00000000"}, // movlpd, movlps
	{Map0F, 0x16, "77777777", "55555555"}, // movhpd, movhps, movlhps
	{Map0F, 0x17, "33333333", "00000000"}, // movhpd, movhps
	{Map0F, 0x1a, "ffff0000", "ffffdddd ffffdddd ffffdddd ffffdddd 11111111 11111111 11111111 11111111"}, // bndcl, bndcu, bndldx
	{Map0F, 0x1b, "ffff0000", "ffffdddd ffffdddd ffffdddd ffffdddd 55555555 55555555 55555555 55555555"}, // bndcn, bndmk, bndmov
	{Map0F, 0x2b, "ffffffff", "00000000"}, // movntpd, movntps, movntsd
	{Map0F, 0x50, "00000000", "33333333"}, // movmskpd, movmskps
	{Map0F, 0x71, "00000000", "00303030"}, // psllw, psraw, psrlw
	{Map0F, 0x72, "00000000", "00303030"}, // pslld, psrad, psrld
	{Map0F, 0x73, "00000000", "00320032"}, // pslldq, psllq, psrldq
	{Map0F, 0x78, "11111111", "bbbbbbbb"}, // extrq, insertq, vmread
	{Map0F, 0x79, "11111111", "bbbbbbbb"}, // extrq, insertq, vmwrite
	{Map0F, 0xa6, "00000000", "f0000000 f0000000 f0000000 00000000 00000000 00000000 00000000 00000000"}, // montmul, xsha1, xsha256
	{Map0F, 0xa7, "00000000", "f0000000 f0000000 f0000000 f0000000 f0000000 f0000000 00000000 00000000"}, // xcrypt-cbc, xcrypt-cfb, xcrypt-ctr
	{Map0F, 0xae, "ffff5173", "44444444 44444444 44444444 44444444 44444444 55555555 feeeeeee f0000000"}, // clflush, clflushopt, clrssbsy
	{Map0F, 0xb2, "ffffffff", "00000000"},   // lss
	{Map0F, 0xb4, "ffffffff", "00000000"},   // lfs
	{Map0F, 0xb5, "ffffffff", "00000000"},   // lgs
	{Map0F, 0xba, "0000ffff", "0000ffff"},   // bt, btc, btcl
	{Map0F, 0xc3, "11111111", "00000000"},   // movnti
	{Map0F, 0xc5, "00000000", "33333333"},   // pextrw
	{Map0F, 0xc7, "0f0fff7f", "00000077"},   // cmpxchg8b, rdpid, rdrand
	{Map0F, 0xd6, "22222222", "eeeeeeee"},   // movdq2q, movq, movq2dq
	{Map0F, 0xd7, "00000000", "ffffffff"},   // pmovmskb
	{Map0F, 0xe7, "33333333", "00000000"},   // movntdq, movntq
	{Map0F, 0xf0, "88888888", "00000000"},   // lddqu
	{Map0F, 0xf7, "00000000", "33333333"},   // maskmovdqu, maskmovq
	{Map0F38, 0x2a, "22222222", "00000000"}, // movntdqa
	{Map0F38, 0x80, "22222222", "00000000"}, // invept
	{Map0F38, 0x81, "22222222", "00000000"}, // invvpid
	{Map0F38, 0x82, "22222222", "00000000"}, // invpcid
	{Map0F38, 0xd8, "44440000", "00000000"}, // aesdecwide128kl, aesdecwide256kl, aesencwide128kl
	{Map0F38, 0xdd, "66666666", "22222222"}, // aesdec128kl, aesenclast
	{Map0F38, 0xde, "66666666", "22222222"}, // aesdec, aesenc256kl
	{Map0F38, 0xdf, "66666666", "22222222"}, // aesdec256kl, aesdeclast
	{Map0F38, 0xf0, "bbbbbbbb", "88888888"}, // crc32, crc32b, movbe
	{Map0F38, 0xf1, "bbbbbbbb", "88888888"}, // crc32, crc32l, movbe
	{Map0F38, 0xf5, "22222222", "00000000"}, // wrussd
	{Map0F38, 0xf6, "77777777", "66666666"}, // adcx, adox, wrssd
	{Map0F38, 0xf8, "eeeeeeee", "00000000"}, // enqcmd, enqcmds, movdir64b
	{Map0F38, 0xf9, "11111111", "00000000"}, // movdiri
	{Map0F38, 0xfa, "00000000", "44444444"}, // encodekey128
	{Map0F38, 0xfb, "00000000", "44444444"}, // encodekey256
	{Map0F38, 0xfc, "ffffffff", "00000000"}, // aadd, aand, aor
	{Map0F3A, 0xf0, "00000000", "40000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000"}, // hreset
	{VEX0F, 0x12, "ffffffff", "dddddddd"},   // vmovddup, vmovhlps, vmovlpd
	{VEX0F, 0x13, "33333333", "00000000"},   // vmovlpd, vmovlps
	{VEX0F, 0x16, "77777777", "55555555"},   // vmovhpd, vmovhps, vmovlhps
	{VEX0F, 0x17, "33333333", "00000000"},   // vmovhpd, vmovhps
	{VEX0F, 0x2b, "33333333", "00000000"},   // vmovntpd, vmovntps
	{VEX0F, 0x41, "00000000", "33333333"},   // kandb, kandd, kandq
	{VEX0F, 0x42, "00000000", "33333333"},   // kandnb, kandnd, kandnq
	{VEX0F, 0x44, "00000000", "33333333"},   // knotb, knotd, knotq
	{VEX0F, 0x45, "00000000", "33333333"},   // korb, kord, korq
	{VEX0F, 0x46, "00000000", "33333333"},   // kxnorb, kxnord, kxnorq
	{VEX0F, 0x47, "00000000", "33333333"},   // kxorb, kxord, kxorq
	{VEX0F, 0x4a, "00000000", "33333333"},   // kaddb, kaddd, kaddq
	{VEX0F, 0x4b, "00000000", "33333333"},   // kunpckbw, kunpckdq, kunpckwd
	{VEX0F, 0x50, "00000000", "33333333"},   // vmovmskpd, vmovmskps
	{VEX0F, 0x71, "00000000", "00202020"},   // vpsllw, vpsraw, vpsrlw
	{VEX0F, 0x72, "00000000", "00202020"},   // vpslld, vpsrad, vpsrld
	{VEX0F, 0x73, "00000000", "00220022"},   // vpslldq, vpsllq, vpsrldq
	{VEX0F, 0x91, "33333333", "00000000"},   // kmovb, kmovd, kmovq
	{VEX0F, 0x92, "00000000", "bbbbbbbb"},   // kmovb, kmovd, kmovq
	{VEX0F, 0x93, "00000000", "bbbbbbbb"},   // kmovb, kmovd, kmovq
	{VEX0F, 0x98, "00000000", "33333333"},   // kortestb, kortestd, kortestq
	{VEX0F, 0x99, "00000000", "33333333"},   // ktestb, ktestd, ktestq
	{VEX0F, 0xae, "00ff0000", "00000000"},   // vldmxcsr, vstmxcsr
	{VEX0F, 0xc5, "00000000", "22222222"},   // vpextrw
	{VEX0F, 0xd7, "00000000", "22222222"},   // vpmovmskb
	{VEX0F, 0xe7, "22222222", "00000000"},   // vmovntdq
	{VEX0F, 0xf0, "88888888", "00000000"},   // vlddqu
	{VEX0F, 0xf7, "00000000", "22222222"},   // vmaskmovdqu
	{VEX0F38, 0x1a, "22222222", "00000000"}, // vbroadcastf128
	{VEX0F38, 0x2a, "22222222", "00000000"}, // vmovntdqa
	{VEX0F38, 0x2c, "22222222", "00000000"}, // vmaskmovps
	{VEX0F38, 0x2d, "22222222", "00000000"}, // vmaskmovpd
	{VEX0F38, 0x2e, "22222222", "00000000"}, // vmaskmovps
	{VEX0F38, 0x2f, "22222222", "00000000"}, // vmaskmovpd
	{VEX0F38, 0x49, "33333333", "98888888 88888888 88888888 88888888 88888888 88888888 88888888 88888888"}, // ldtilecfg, sttilecfg, tilerelease
	{VEX0F38, 0x5c, "00000000", "cccccccc"},  // tdpbf16ps, tdpfp16ps
	{VEX0F38, 0x5e, "00000000", "ffffffff"},  // tdpbssd and on
	{VEX0F38, 0x5a, "22222222", "00000000"},  // vbroadcasti128
	{VEX0F38, 0x8c, "22222222", "00000000"},  // vpmaskmovd, vpmaskmovq
	{VEX0F38, 0x8e, "22222222", "00000000"},  // vpmaskmovd, vpmaskmovq
	{VEX0F38, 0xb0, "ffffffff", "00000000"},  // vcvtneebf162ps, vcvtneeph2ps, vcvtneobf162ps
	{VEX0F38, 0xb1, "66666666", "00000000"},  // vbcstnebf162ps, vbcstnesh2ps
	{VEX0F38, 0xe0, "22222222", "00000000"},  // cmpoxadd
	{VEX0F38, 0xe1, "22222222", "00000000"},  // cmpnoxadd
	{VEX0F38, 0xe2, "22222222", "00000000"},  // cmpbxadd
	{VEX0F38, 0xe3, "22222222", "00000000"},  // cmpnbxadd
	{VEX0F38, 0xe4, "22222222", "00000000"},  // cmpzxadd
	{VEX0F38, 0xe5, "22222222", "00000000"},  // cmpnzxadd
	{VEX0F38, 0xe6, "22222222", "00000000"},  // cmpbexadd
	{VEX0F38, 0xe7, "22222222", "00000000"},  // cmpnbexadd
	{VEX0F38, 0xe8, "22222222", "00000000"},  // cmpsxadd
	{VEX0F38, 0xe9, "22222222", "00000000"},  // cmpnsxadd
	{VEX0F38, 0xea, "22222222", "00000000"},  // cmppxadd
	{VEX0F38, 0xeb, "22222222", "00000000"},  // cmpnpxadd
	{VEX0F38, 0xec, "22222222", "00000000"},  // cmplxadd
	{VEX0F38, 0xed, "22222222", "00000000"},  // cmpnlxadd
	{VEX0F38, 0xee, "22222222", "00000000"},  // cmplexadd
	{VEX0F38, 0xef, "22222222", "00000000"},  // cmpnlexadd
	{VEX0F38, 0xf3, "01110000", "01110000"},  // blsi, blsmsk, blsr
	{VEX0F3A, 0x30, "00000000", "22222222"},  // kshiftrb, kshiftrw
	{VEX0F3A, 0x31, "00000000", "22222222"},  // kshiftrd, kshiftrq
	{VEX0F3A, 0x32, "00000000", "22222222"},  // kshiftlb, kshiftlw
	{VEX0F3A, 0x33, "00000000", "22222222"},  // kshiftld, kshiftlq
	{EVEX0F, 0x12, "ffffffff", "dddddddd"},   // vmovddup, vmovsldup, vmov{bad}dup
	{EVEX0F, 0x13, "33333333", "00000000"},   // ?
	{EVEX0F, 0x16, "77777777", "55555555"},   // vmovshdup, vmov{bad}hdup
	{EVEX0F, 0x17, "33333333", "00000000"},   // ?
	{EVEX0F, 0x2b, "33333333", "00000000"},   // vmovntpd, vmovntps
	{EVEX0F, 0x71, "00202020", "00202020"},   // vpsllw, vpsraw, vpsrlw
	{EVEX0F, 0x72, "22202020", "22202020"},   // vprold, vprolq, vprord
	{EVEX0F, 0x73, "00220022", "00220022"},   // vpslldq, vpsllq, vpsrldq
	{EVEX0F, 0xc5, "00000000", "22222222"},   // ?
	{EVEX0F38, 0x1a, "22222222", "00000000"}, // vbroadcastf32x4, vbroadcastf64x2
	{EVEX0F38, 0x1b, "22222222", "00000000"}, // vbroadcastf32x8, vbroadcastf64x4
	{EVEX0F38, 0x28, "22222222", "66666666"}, // vpmovm2b, vpmovm2w, vpmuldq
	{EVEX0F38, 0x2a, "22222222", "66666666"}, // vmovntdqa, vpbroadcastmb2q
	{EVEX0F38, 0x38, "22222222", "66666666"}, // vpminsb, vpmovm2d, vpmovm2q
	{EVEX0F38, 0x3a, "22222222", "66666666"}, // vpbroadcastmw2d, vpminuw
	{EVEX0F38, 0x52, "eeeeeeee", "66666666"}, // vdpbf16ps, vdpbf16p{bad}, vp4dpwssd
	{EVEX0F38, 0x53, "aaaaaaaa", "22222222"}, // vp4dpwssds, vp4dpws{bad}ds, vpdpwssds
	{EVEX0F38, 0x5a, "22222222", "00000000"}, // vbroadcasti32x4, vbroadcasti64x2
	{EVEX0F38, 0x5b, "22222222", "00000000"}, // vbroadcasti32x8, vbroadcasti64x4
	{EVEX0F38, 0xc6, "02200220", "00000000"}, // vgatherpf0dps, vscatterpf0dps
	{EVEX0F38, 0xc7, "02200220", "00000000"},
	{EVEX0F38, 0x7a, "00000000", "22222222"}, // vpbroadcastb
	{EVEX0F38, 0x7b, "00000000", "22222222"}, // vpbroadcastw
	{EVEX0F38, 0x7c, "00000000", "22222222"}, // vpbroadcastd, vpbroadcastq
	{EVEX0F38, 0x9a, "aaaaaaaa", "22222222"}, // v4fmaddps, v4fmaddp{bad}, vfmsub132pd
	{EVEX0F38, 0x9b, "aaaaaaaa", "22222222"}, // v4fmaddss, v4fmadds{bad}, vfmsub132sd
	{EVEX0F38, 0xaa, "aaaaaaaa", "22222222"}, // v4fnmaddps, v4fnmaddp{bad}, vfmsub213pd
	{EVEX0F38, 0xab, "aaaaaaaa", "22222222"}, // v4fnmaddss, v4fnmadds{bad}, vfmsub213sd
	{XOP9, 0x01, "01111111", "01111111"},     // blcfill, blcic, blcs
	{XOP9, 0x02, "01000010", "01000010"},     // blci, blcmsk
	{XOP9, 0x12, "00000000", "11000000"},     // llwpcb, slwpcb
	{XOPA, 0x12, "11000000", "11000000"},     // lwpins, lwpval
}
