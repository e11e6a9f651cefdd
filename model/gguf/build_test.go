package gguf

import (
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// lit is bytes as they are; all other values of le are numbers and GGUF strings.
type lit string

// le writes values as the format has them, past the Writer under test.
func le(values ...any) []byte {
	var b []byte
	for _, v := range values {
		var err error
		switch v := v.(type) {
		case lit:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		case string:
			b = append(binary.LittleEndian.AppendUint64(b, uint64(len(v))), v...)
		default:
			b, err = binary.Append(b, binary.LittleEndian, v)
		}
		if err != nil {
			panic(err)
		}
	}
	return b
}

// file is a file of version 3 from its keys and tensor descriptions, with that
// much data.
func file(keys, tensors [][]byte, data int) []byte {
	b := le(lit(magic), uint32(3), uint64(len(tensors)), uint64(len(keys)))
	for _, part := range append(append([][]byte{}, keys...), tensors...) {
		b = append(b, part...)
	}
	b = append(b, make([]byte, -len(b)&31)...)
	return append(b, make([]byte, data)...)
}

// info is the description of a tensor, dimensions innermost first.
func info(name string, typ Type, offset uint64, dims ...uint64) []byte {
	b := le(name, uint32(len(dims)))
	for _, d := range dims {
		b = append(b, le(d)...)
	}
	return append(b, le(uint32(typ), offset)...)
}

// sampleKeys has a value of every type, in the order that sample writes them.
var sampleKeys = []struct {
	key   string
	value any
}{
	{"general.architecture", "llama"},
	{"u8", uint8(200)}, {"i8", int8(-100)}, {"u16", uint16(60000)}, {"i16", int16(-30000)},
	{"u32", uint32(4e9)}, {"i32", int32(-2e9)}, {"u64", uint64(math.MaxUint64)}, {"i64", int64(math.MinInt64)},
	{"f32", float32(0.5)}, {"f64", math.Pi}, {"yes", true}, {"no", false}, {"empty", ""},
	{"u8s", []uint8{1, 2}}, {"i8s", []int8{-1, 2}}, {"u16s", []uint16{1}}, {"i16s", []int16{-1}},
	{"u32s", []uint32{1, 1 << 31}}, {"i32s", []int32{-1, 1}}, {"u64s", []uint64{1 << 40}}, {"i64s", []int64{-1 << 40}},
	{"f32s", []float32{0.25, -1}}, {"f64s", []float64{1e300}}, {"flags", []bool{true, false}},
	{"tokens", []string{"<s>", "", "é"}}, {"none", []string{}},
	{"nested", []any{[]int32{1, 2}, []string{"a"}, []any{[]bool{true}, []any{}}}},
	{alignmentKey, uint32(64)},
}

// writeSample writes a file of all kinds of values and some tensors.
func writeSample(t testing.TB, out io.Writer) {
	w := NewWriter(out)
	for _, k := range sampleKeys {
		require.NoError(t, w.Set(k.key, k.value))
	}
	require.NoError(t, w.Add("a", F32, 3, 5))
	require.NoError(t, w.Add("nothing", F16, 0, 4))
	require.NoError(t, w.Add("b", Q4_K, 2, 1, 3, 256))
	require.NoError(t, w.Add("c", F32, 1))
	_, err := w.Write(fill(1, 24))
	require.NoError(t, err)
	for _, data := range [][]byte{fill(1, 36), fill(2, 6*144), fill(3, 4)} {
		_, err := w.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
}

func fill(b byte, n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = b
	}
	return data
}

// buffer is an io.Writer that keeps everything.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func sample(t testing.TB) []byte {
	var b buffer
	writeSample(t, &b)
	return b
}

func writeFile(t testing.TB, name string, data []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}
