package dwarf

// Tag is DW_TAG, section 7.5.3.
type Tag uint16

// The tags that matter here.
const (
	TagNull            Tag = 0 // the end of a list of children
	TagArray           Tag = 0x01
	TagClass           Tag = 0x02
	TagEnumeration     Tag = 0x04
	TagFormalParameter Tag = 0x05
	TagLexicalBlock    Tag = 0x0b
	TagMember          Tag = 0x0d
	TagPointer         Tag = 0x0f
	TagReference       Tag = 0x10
	TagCompileUnit     Tag = 0x11
	TagStructure       Tag = 0x13
	TagSubroutineType  Tag = 0x15
	TagTypedef         Tag = 0x16
	TagUnion           Tag = 0x17
	TagUnspecified     Tag = 0x18 // DW_TAG_unspecified_parameters: "..."
	TagInheritance     Tag = 0x1c
	TagInlined         Tag = 0x1d // DW_TAG_inlined_subroutine
	TagSubrange        Tag = 0x21
	TagBaseType        Tag = 0x24
	TagConst           Tag = 0x26
	TagEnumerator      Tag = 0x28
	TagSubprogram      Tag = 0x2e
	TagVariable        Tag = 0x34
	TagVolatile        Tag = 0x35
	TagRestrict        Tag = 0x37
	TagNamespace       Tag = 0x39
	TagUnspecifiedType Tag = 0x3b
	TagRvalueReference Tag = 0x42
	TagAtomic          Tag = 0x47
	TagCallSite        Tag = 0x48
	TagGNUCallSite     Tag = 0x4109
)

// Attr numbers the attributes that are kept of an entry.
type Attr uint8

// The attributes that are read; all others are skipped.
const (
	attrSkip Attr = iota
	AttrName
	AttrType
	AttrOrigin        // DW_AT_abstract_origin
	AttrSpecification // DW_AT_specification
	attrSibling
	AttrByteSize
	AttrBitSize
	AttrBitOffset      // DW_AT_bit_offset, DWARF 4: from the left of the storage unit
	AttrDataBitOffset  // DW_AT_data_bit_offset, DWARF 5: from the start of the structure
	AttrMemberLocation // DW_AT_data_member_location, bytes
	AttrConstValue
	AttrUpperBound
	AttrCount
	AttrLowPC
	AttrHighPC
	AttrRanges
	AttrCallFile
	AttrCallLine
	AttrCallOrigin // DW_AT_call_origin, or the abstract origin of a DW_TAG_GNU_call_site
	AttrDeclaration
	AttrEncoding
	AttrExternal
	AttrDeclFile
	AttrDeclLine
	AttrLocation
	AttrInline
	AttrPrototyped
	AttrNoReturn // DW_AT_noreturn, DWARF 5
	AttrStmtList
	AttrCompDir
	AttrProducer
	attrStrOffsetsBase
	attrAddrBase
	attrRnglistsBase
	attrCount
)

// attrNumbers are the DW_AT of the attributes, section 7.5.4.
var attrNumbers = [attrCount]uint16{
	AttrName: 0x03, AttrType: 0x49, AttrOrigin: 0x31, AttrSpecification: 0x47, attrSibling: 0x01,
	AttrByteSize: 0x0b, AttrBitSize: 0x0d, AttrBitOffset: 0x0c, AttrDataBitOffset: 0x6b,
	AttrMemberLocation: 0x38, AttrConstValue: 0x1c, AttrUpperBound: 0x2f, AttrCount: 0x37,
	AttrLowPC: 0x11, AttrHighPC: 0x12, AttrRanges: 0x55, AttrCallFile: 0x58, AttrCallLine: 0x59,
	AttrCallOrigin: 0x7f, AttrDeclaration: 0x3c, AttrEncoding: 0x3e, AttrExternal: 0x3f,
	AttrDeclFile: 0x3a, AttrDeclLine: 0x3b, AttrLocation: 0x02, AttrInline: 0x20, AttrPrototyped: 0x27, AttrNoReturn: 0x87,
	AttrStmtList: 0x10, AttrCompDir: 0x1b, AttrProducer: 0x25,
	attrStrOffsetsBase: 0x72, attrAddrBase: 0x73, attrRnglistsBase: 0x74,
}

// attrOf is attrNumbers the other way round.
var attrOf = func() (of [0x90]Attr) {
	for a, n := range attrNumbers {
		of[n] = Attr(a)
	}
	of[0] = attrSkip
	return of
}()
