package safetensors

import "fmt"

// DType is the element type of a tensor.
type DType uint8

// dtypes are those of the format, by the names that its headers use.
var dtypes = [...]struct {
	name string
	bits int64 // of an element
}{
	{"F64", 64}, {"F32", 32}, {"F16", 16}, {"BF16", 16}, {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8},
	{"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
	{"I64", 64}, {"I32", 32}, {"I16", 16}, {"I8", 8}, {"U64", 64}, {"U32", 32}, {"U16", 16}, {"U8", 8}, {"BOOL", 8}, {"C64", 64},
}

// String returns the name in headers, as in "F8_E4M3".
func (t DType) String() string {
	if int(t) >= len(dtypes) {
		return fmt.Sprintf("DType(%d)", uint8(t))
	}
	return dtypes[t].name
}

func parseDType(name []byte) (DType, bool) {
	for i := range dtypes {
		if dtypes[i].name == string(name) {
			return DType(i), true
		}
	}
	return 0, false
}
