package gguf

import (
	"fmt"
	"strings"
)

// Type is the element type of a tensor, with ggml's number.
type Type uint32

// Types that files of this program are written in; String knows all.
const (
	F32    Type = 0
	F16    Type = 1
	Q4_0   Type = 2
	Q4_1   Type = 3
	Q5_0   Type = 6
	Q5_1   Type = 7
	Q8_0   Type = 8
	Q2_K   Type = 10
	Q3_K   Type = 11
	Q4_K   Type = 12
	Q5_K   Type = 13
	Q6_K   Type = 14
	IQ4_NL Type = 20
	IQ4_XS Type = 23
	BF16   Type = 30
	MXFP4  Type = 39
	NVFP4  Type = 40
)

// typeInfo describes a type: its elements stand in blocks. The bytes of a type
// that ggml dropped are 0.
type typeInfo struct {
	name         string
	block, bytes int64
}

// types are those of enum ggml_type in ggml.h, by number.
var types = [...]typeInfo{
	{"F32", 1, 4}, {"F16", 1, 2}, {"Q4_0", 32, 18}, {"Q4_1", 32, 20}, {"Q4_2", 16, 0}, {"Q4_3", 16, 0},
	{"Q5_0", 32, 22}, {"Q5_1", 32, 24}, {"Q8_0", 32, 34}, {"Q8_1", 32, 36},
	{"Q2_K", 256, 84}, {"Q3_K", 256, 110}, {"Q4_K", 256, 144}, {"Q5_K", 256, 176}, {"Q6_K", 256, 210}, {"Q8_K", 256, 292},
	{"IQ2_XXS", 256, 66}, {"IQ2_XS", 256, 74}, {"IQ3_XXS", 256, 98}, {"IQ1_S", 256, 50}, {"IQ4_NL", 32, 18},
	{"IQ3_S", 256, 110}, {"IQ2_S", 256, 82}, {"IQ4_XS", 256, 136},
	{"I8", 1, 1}, {"I16", 1, 2}, {"I32", 1, 4}, {"I64", 1, 8}, {"F64", 1, 8}, {"IQ1_M", 256, 56}, {"BF16", 1, 2},
	{"Q4_0_4_4", 32, 0}, {"Q4_0_4_8", 32, 0}, {"Q4_0_8_8", 32, 0}, {"TQ1_0", 256, 54}, {"TQ2_0", 256, 66},
	{"IQ4_NL_4_4", 32, 0}, {"IQ4_NL_4_8", 32, 0}, {"IQ4_NL_8_8", 32, 0},
	{"MXFP4", 32, 17}, {"NVFP4", 64, 36}, {"Q1_0", 128, 18}, {"Q2_0", 64, 18},
}

// String returns ggml's name, as in "Q4_K".
func (t Type) String() string {
	if int64(t) < int64(len(types)) {
		return types[t].name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// ParseType returns the type with that name, in either case.
func ParseType(name string) (Type, error) {
	for i, t := range types {
		if t.bytes != 0 && strings.EqualFold(t.name, name) {
			return Type(i), nil
		}
	}
	return 0, fmt.Errorf("unknown GGUF type %q", name)
}

// Block returns the elements and bytes of one block, both 0 for a type that is
// not known or that ggml dropped.
func (t Type) Block() (elements, bytes int64) {
	if int64(t) >= int64(len(types)) || types[t].bytes == 0 {
		return 0, 0
	}
	return types[t].block, types[t].bytes
}

// size returns the bytes of a tensor, by its dimensions innermost first, or
// says what is wrong.
func (t Type) size(dims []int64) (int64, error) {
	block, bytes := t.Block()
	switch {
	case int64(t) >= int64(len(types)):
		return 0, fmt.Errorf("%v is not known", t)
	case block == 0:
		return 0, fmt.Errorf("%v was dropped from the format", t)
	case dims[0]%block != 0:
		return 0, fmt.Errorf("rows of %d elements do not divide into %v's blocks of %d", dims[0], t, block)
	}
	n, ok := dims[0]/block, true
	for _, d := range dims[1:] {
		if n, ok = multiply(n, d); !ok {
			return 0, fmt.Errorf("dimensions %v: the product overflows", dims)
		}
	}
	if n, ok = multiply(n, bytes); !ok {
		return 0, fmt.Errorf("dimensions %v: the bytes overflow", dims)
	}
	return n, nil
}
