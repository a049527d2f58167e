package dwarf

// form is DW_FORM, section 7.5.6: how the value of an attribute is written.
type form uint16

const (
	formAddr          form = 0x01
	formBlock2        form = 0x03
	formBlock4        form = 0x04
	formData2         form = 0x05
	formData4         form = 0x06
	formData8         form = 0x07
	formString        form = 0x08
	formBlock         form = 0x09
	formBlock1        form = 0x0a
	formData1         form = 0x0b
	formFlag          form = 0x0c
	formSdata         form = 0x0d
	formStrp          form = 0x0e
	formUdata         form = 0x0f
	formRefAddr       form = 0x10
	formRef1          form = 0x11
	formRef2          form = 0x12
	formRef4          form = 0x13
	formRef8          form = 0x14
	formRefUdata      form = 0x15
	formIndirect      form = 0x16
	formSecOffset     form = 0x17
	formExprloc       form = 0x18
	formFlagPresent   form = 0x19
	formStrx          form = 0x1a
	formAddrx         form = 0x1b
	formRefSup4       form = 0x1c
	formStrpSup       form = 0x1d
	formData16        form = 0x1e
	formLineStrp      form = 0x1f
	formRefSig8       form = 0x20
	formImplicitConst form = 0x21
	formLoclistx      form = 0x22
	formRnglistx      form = 0x23
	formRefSup8       form = 0x24
	formStrx1         form = 0x25
	formStrx2         form = 0x26
	formStrx3         form = 0x27
	formStrx4         form = 0x28
	formAddrx1        form = 0x29
	formAddrx2        form = 0x2a
	formAddrx3        form = 0x2b
	formAddrx4        form = 0x2c
	formGNURefAlt     form = 0x1f20 // dwz
	formGNUStrpAlt    form = 0x1f21 // dwz
)

// kind says how a form is read.
type kind uint8

const (
	kindUnknown  kind = iota
	kindConst         // a number of fixed size
	kindUleb          // an unsigned number
	kindSleb          // a signed number
	kindImplicit      // a number in the abbreviation
	kindFlag          // nothing: true
	kindText          // a string in place
	kindBlock         // bytes after their length, of fixed size or ULEB128
	kindField         // a field with a relocation: its place is the value
	kindRef           // an offset in the unit, of fixed size
	kindRefUleb       // likewise, ULEB128
	kindIndirect      // the form stands in front of the value
)

// shape is how a form is read, and how many bytes it takes; 0 bytes in a block
// or an index mean that the size is a ULEB128 number.
type shape struct {
	kind kind
	size uint8
}

// shapes lists the forms. What a supplementary file or a type unit would have
// is skipped as a number that nobody looks at.
var shapes = [...]shape{
	formAddr:          {kindField, 8},
	formBlock2:        {kindBlock, 2},
	formBlock4:        {kindBlock, 4},
	formData2:         {kindConst, 2},
	formData4:         {kindConst, 4},
	formData8:         {kindConst, 8},
	formString:        {kindText, 0},
	formBlock:         {kindBlock, 0},
	formBlock1:        {kindBlock, 1},
	formData1:         {kindConst, 1},
	formFlag:          {kindConst, 1},
	formSdata:         {kindSleb, 0},
	formStrp:          {kindField, 4},
	formUdata:         {kindUleb, 0},
	formRefAddr:       {kindField, 4},
	formRef1:          {kindRef, 1},
	formRef2:          {kindRef, 2},
	formRef4:          {kindRef, 4},
	formRef8:          {kindRef, 8},
	formRefUdata:      {kindRefUleb, 0},
	formIndirect:      {kindIndirect, 0},
	formSecOffset:     {kindField, 4},
	formExprloc:       {kindBlock, 0},
	formFlagPresent:   {kindFlag, 0},
	formStrx:          {kindUleb, 0},
	formAddrx:         {kindUleb, 0},
	formRefSup4:       {kindConst, 4},
	formStrpSup:       {kindConst, 4},
	formData16:        {kindConst, 16},
	formLineStrp:      {kindField, 4},
	formRefSig8:       {kindConst, 8},
	formImplicitConst: {kindImplicit, 0},
	formLoclistx:      {kindUleb, 0},
	formRnglistx:      {kindUleb, 0},
	formRefSup8:       {kindConst, 8},
	formStrx1:         {kindConst, 1},
	formStrx2:         {kindConst, 2},
	formStrx3:         {kindConst, 3},
	formStrx4:         {kindConst, 4},
	formAddrx1:        {kindConst, 1},
	formAddrx2:        {kindConst, 2},
	formAddrx3:        {kindConst, 3},
	formAddrx4:        {kindConst, 4},
}

func shapeOf(f form) shape {
	if int(f) < len(shapes) {
		return shapes[f]
	}
	if f == formGNURefAlt || f == formGNUStrpAlt {
		return shape{kindConst, 4}
	}
	return shape{}
}

// fixedSize returns how many bytes the value takes in the entry, whatever it
// is. ok is false when that depends on the value.
func (s shape) fixedSize() (n int, ok bool) {
	switch s.kind {
	case kindConst, kindField, kindRef:
		return int(s.size), true
	case kindImplicit, kindFlag:
		return 0, true
	}
	return 0, false
}
