package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"trona/model/faulttest"

	"github.com/stretchr/testify/require"
)

// one is a header of one tensor.
func one(members string) string { return `{"t":{` + members + `}}` }

// Bad files, by the catalogue of bad inputs and the attacks that the format's
// own authors describe.
func TestRefuses(t *testing.T) {
	length := func(n uint64) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), make([]byte, 100)...) }
	u8 := func(shape, offsets string) string {
		return one(`"dtype":"U8","shape":` + shape + `,"data_offsets":` + offsets)
	}
	two := func(first, second string) string {
		return `{"t":{"dtype":"U8","shape":[4],"data_offsets":` + first + `},"u":{"dtype":"U8","shape":[4],"data_offsets":` + second + `}}`
	}
	typed := func(dtype, shape, offsets string) string {
		return one(`"dtype":"` + dtype + `","shape":` + shape + `,"data_offsets":` + offsets)
	}
	const tensor = `tensor "t"`
	for name, tc := range map[string]struct {
		data  []byte
		field string
	}{
		"nothing":          {nil, "header length"},
		"seven bytes":      {make([]byte, 7), "header length"},
		"length 0":         {length(0), "header length"},
		"length 1":         {length(1), "header length"},
		"length 101":       {length(101), "header length"},
		"length 10^8 + 1":  {length(100_000_001), "header length"},
		"length 2^63":      {length(1 << 63), "header length"},
		"length 2^64-1":    {length(math.MaxUint64), "header length"},
		"a zip file":       {append([]byte("PK\x03\x04\x14\x00\x00\x00"), make([]byte, 100)...), "header length"},
		"list":             {file("[]", 0), "header"},
		"leading space":    {file(" {}", 0), "header"},
		"byte order mark":  {file("\ufeff{}", 0), "header"},
		"trailing newline": {file("{}\n", 0), "header"},
		"trailing brace":   {file("{}}", 0), "header"},
		"cut off":          {file(`{"t":{"dtype":"U8"`, 0), tensor},
		"not text":         {file("{\"\xff\":{}}", 0), "header"},
		"half a pair":      {file(`{"\ud800":{}}`, 0), "header"},
		"bare name":        {file(`{t:{}}`, 0), "header"},
		"comma":            {file(`{"t":{},}`, 0), tensor},
		"depth":            {file(strings.Repeat(`{"a":`, 10_000), 0), `tensor "a"`},
		"empty name":       {file(`{"":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`, 1), "tensor"},
		"control name":     {file(`{"a\n":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}`, 1), "tensor \"a\\n\""},
		"null":             {file(`{"t":null}`, 0), tensor},
		"number":           {file(`{"t":7}`, 0), tensor},
		"no members":       {file(one(""), 0), tensor},
		"no type":          {file(one(`"shape":[1],"data_offsets":[0,1]`), 1), tensor},
		"no shape":         {file(one(`"dtype":"U8","data_offsets":[0,1]`), 1), tensor},
		"no offsets":       {file(one(`"dtype":"U8","shape":[1]`), 1), tensor},
		"type twice":       {file(one(`"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]`), 1), tensor},
		"shape twice":      {file(one(`"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]`), 1), tensor},
		"offsets twice":    {file(one(`"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]`), 1), tensor},
		"other case":       {file(one(`"Dtype":"U8","shape":[1],"data_offsets":[0,1]`), 1), tensor},
		"other member":     {file(one(`"dtype":"U8","shape":[1],"data_offsets":[0,1],"strides":[1]`), 1), tensor},
		"tensor twice":     {file(`{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), tensor},
		"twice, escaped":   {file(`{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0074":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 2), tensor},
		"type unknown":     {file(typed("F128", "[1]", "[0,16]"), 16), tensor},
		"type lower case":  {file(typed("u8", "[1]", "[0,1]"), 1), tensor},
		"type number":      {file(one(`"dtype":8,"shape":[1],"data_offsets":[0,1]`), 1), tensor},
		"half a byte":      {file(typed("F4", "[3]", "[0,1]"), 1), tensor},
		"shape number":     {file(u8("1", "[0,1]"), 1), tensor},
		"shape negative":   {file(u8("[-1]", "[0,1]"), 1), tensor},
		"shape fraction":   {file(u8("[1.0]", "[0,1]"), 1), tensor},
		"shape power":      {file(u8("[1e0]", "[0,1]"), 1), tensor},
		"shape NaN":        {file(u8("[NaN]", "[0,1]"), 1), tensor},
		"shape string":     {file(u8(`["1"]`, "[0,1]"), 1), tensor},
		"shape nested":     {file(u8("[[1]]", "[0,1]"), 1), tensor},
		"shape 2^63":       {file(u8("[9223372036854775808]", "[0,1]"), 1), tensor},
		"shape overflows":  {file(u8("[4294967296,4294967296]", "[0,0]"), 0), tensor},
		"bits overflow":    {file(typed("F64", "[1152921504606846976]", "[0,0]"), 0), tensor},
		"1000 dimensions":  {file(u8("["+strings.Repeat("1,", 999)+"1]", "[0,1]"), 1), tensor},
		"offsets one":      {file(u8("[1]", "[1]"), 1), tensor},
		"offsets three":    {file(u8("[1]", "[0,1,2]"), 1), tensor},
		"offsets object":   {file(u8("[1]", "{}"), 1), tensor},
		"offsets reversed": {file(u8("[1]", "[1,0]"), 1), tensor},
		"offsets negative": {file(u8("[1]", "[-1,0]"), 1), tensor},
		"offsets size":     {file(u8("[2]", "[0,1]"), 2), tensor},
		"hole before":      {file(u8("[1]", "[1,2]"), 2), "data_offsets of " + tensor},
		"hole between":     {file(two("[0,4]", "[5,9]"), 9), `data_offsets of tensor "u"`},
		"overlap":          {file(two("[0,4]", "[3,7]"), 7), `data_offsets of tensor "u"`},
		"the same":         {file(two("[0,4]", "[0,4]"), 4), `data_offsets of tensor "u"`},
		"hole after":       {file(u8("[1]", "[0,1]"), 2), "data"},
		"data, no tensor":  {file("{}", 1), "data"},
		"beyond any file":  {file(u8("[9223372036854775807]", "[0,9223372036854775807]"), 0), tensor},
		"sum of two": {file(`{"t":{"dtype":"U8","shape":[1152921504606846975],"data_offsets":[0,1152921504606846975]},`+
			`"u":{"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]}}`, 0), `data_offsets of tensor "u"`},
		"metadata list":   {file(`{"__metadata__":[]}`, 0), "__metadata__"},
		"metadata number": {file(`{"__metadata__":{"a":1}}`, 0), "__metadata__"},
		"metadata object": {file(`{"__metadata__":{"a":{}}}`, 0), "__metadata__"},
		"metadata twice":  {file(`{"__metadata__":{},"__metadata__":{}}`, 0), "__metadata__"},
		"metadata name":   {file(`{"__metadata__":{"a":"","\u0061":""}}`, 0), "__metadata__"},
		"metadata many":   {file(`{"__metadata__":{`+manyNames(5000)+`}}`, 0), "__metadata__"},
	} {
		t.Run(name, func(t *testing.T) {
			allocated := faulttest.Allocated(func() {
				_, err := parse(tc.data)
				e := faulttest.RequireError(t, err, tc.field, -1)
				require.LessOrEqual(t, e.Offset, int64(len(tc.data)))
			})
			require.LessOrEqual(t, allocated, faulttest.Bound(len(tc.data)))
		})
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":"",`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func TestAccepts(t *testing.T) {
	for name, data := range map[string][]byte{
		"no tensors":  file("{}", 0),
		"padding":     file("{}      ", 0),
		"spaces":      file("{ \"t\" :\n{\t\"dtype\": \"U8\", \"shape\": [ 2 ], \"data_offsets\": [0, 2] } }", 2),
		"scalar":      file(one(`"dtype":"F32","shape":[],"data_offsets":[0,4]`), 4),
		"dimension 0": file(one(`"dtype":"F32","shape":[0,5],"data_offsets":[0,0]`), 0),
		"four bits":   file(one(`"dtype":"F4","shape":[2,3],"data_offsets":[0,3]`), 3),
		"six bits":    file(one(`"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]`), 3),
		"not aligned": file(`{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"u":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}`, 5),
		"metadata":    file(`{"__metadata__":{`+manyNames(4000)+`}}`, 0),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(data)
			require.NoError(t, err)
		})
	}
	for _, d := range dtypes {
		f, err := parse(file(one(fmt.Sprintf(`"dtype":%q,"shape":[8],"data_offsets":[0,%d]`, d.name, d.bits)), int(d.bits)))
		require.NoError(t, err)
		require.Equal(t, d.name, f.tensors[0].Type.String())
	}
}

func TestMessages(t *testing.T) {
	_, err := Open(writeFile(t, "x.safetensors", file(one(`"dtype":"F128","shape":[1],"data_offsets":[0,16]`), 16)))
	require.ErrorContains(t, err, `x.safetensors: tensor "t" (byte 28): dtype "F128" is not known`)
	_, err = parse(file(one(`"dtype":"U8"`)[:10], 0))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = parse(file(`{"`+strings.Repeat("n", 5000)+`":7}`, 0))
	require.Less(t, len(err.Error()), 200)
}
