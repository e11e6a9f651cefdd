package gguf

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/faulttest"
	"trona/testdata"
)

func TestRoundTrip(t *testing.T) {
	f, err := Open(writeFile(t, "sample.gguf", sample(t)))
	require.NoError(t, err)
	var keys []string
	for _, k := range sampleKeys {
		keys = append(keys, k.key)
		v, ok := f.Value(k.key)
		require.True(t, ok)
		require.Equal(t, k.value, v)
		require.True(t, f.Has(k.key))
	}
	require.Equal(t, keys, f.Keys())
	for i, want := range []struct {
		name  string
		typ   Type
		shape []int64
		data  []byte
	}{
		{"a", F32, []int64{3, 5}, fill(1, 60)},
		{"nothing", F16, []int64{0, 4}, nil},
		{"b", Q4_K, []int64{2, 1, 3, 256}, fill(2, 6*144)},
		{"c", F32, []int64{1}, fill(3, 4)},
	} {
		x := f.Tensors()[i]
		require.Equal(t, want.name, x.Name)
		require.Equal(t, want.typ, x.Type)
		require.Equal(t, want.shape, x.Shape)
		require.Equal(t, int64(len(want.data)), x.Bytes)
		require.Zero(t, x.offset%64)
		data, err := f.Data(x)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want.data, data))
		if half := x.Bytes / 2; half > 0 {
			some := make([]byte, x.Bytes-half)
			require.NoError(t, f.ReadAt(x, some, half))
			require.True(t, bytes.Equal(want.data[half:], some))
			require.ErrorIs(t, f.ReadAt(x, some, half+1), io.ErrUnexpectedEOF)
			require.ErrorIs(t, f.ReadAt(x, some, -1), io.ErrUnexpectedEOF)
		}
	}
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	_, err = f.Data(f.Tensors()[0])
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestGetters(t *testing.T) {
	f, err := Parse(sample(t))
	require.NoError(t, err)
	for key, want := range map[string]int64{
		"u8": 200, "i8": -100, "u16": 60000, "i16": -30000, "u32": 4e9, "i32": -2e9, "i64": math.MinInt64,
	} {
		n, ok := f.Int(key)
		require.True(t, ok, key)
		require.Equal(t, want, n)
		x, ok := f.Float(key)
		require.True(t, ok, key)
		require.Equal(t, float64(want), x)
	}
	x, ok := f.Float("u64")
	require.True(t, ok)
	require.Equal(t, 0x1p64, x)
	for _, key := range []string{"u64", "f32", "yes", "empty", "u8s", "absent"} {
		_, ok := f.Int(key)
		require.False(t, ok, key)
	}
	for key, want := range map[string][]int64{
		"u8s": {1, 2}, "i8s": {-1, 2}, "u16s": {1}, "i16s": {-1}, "u32s": {1, 1 << 31}, "i32s": {-1, 1}, "u64s": {1 << 40}, "i64s": {-1 << 40},
	} {
		list, ok := f.Ints(key)
		require.True(t, ok, key)
		require.Equal(t, want, list)
	}
	for key, want := range map[string][]float64{"f32s": {0.25, -1}, "f64s": {1e300}} {
		list, ok := f.Floats(key)
		require.True(t, ok, key)
		require.Equal(t, want, list)
	}
	for _, key := range []string{"f32s", "flags", "tokens", "nested", "u8", "absent"} {
		_, ok := f.Ints(key)
		require.False(t, ok, key)
	}
	_, ok = f.Floats("i32s")
	require.False(t, ok)
	_, ok = f.String("u8")
	require.False(t, ok)
	text, ok := f.String("general.architecture")
	require.True(t, ok)
	require.Equal(t, "llama", text)
	all, bounds, ok := f.Texts("tokens")
	require.True(t, ok)
	require.Equal(t, "<s>é", all)
	require.Equal(t, []uint32{0, 3, 3, 5}, bounds)
	_, bounds, ok = f.Texts("u8")
	require.False(t, ok)
	require.Empty(t, bounds)
	v, ok := f.Bool("yes")
	require.True(t, ok && v)
	v, ok = f.Bool("no")
	require.True(t, ok && !v)
}

// TestTexts: strings of arrays are what was written, those that share memory and those that are
// too long or not in memory as a whole.
func TestTexts(t *testing.T) {
	for _, n := range []int{1, 3, 300, 20000} {
		rng := rand.New(rand.NewPCG(uint64(n), 0))
		want := make([]string, n)
		for i := range want {
			most := 16
			if rng.IntN(50) == 0 {
				most = 3 * window
			}
			text := make([]byte, rng.IntN(most))
			for j := range text {
				text[j] = byte(rng.Uint32())
			}
			want[i] = string(text)
		}
		var b buffer
		w := NewWriter(&b)
		require.NoError(t, w.Set("texts", want))
		require.NoError(t, w.Set("behind", uint8(7)))
		require.NoError(t, w.Close())
		f, err := Parse(b)
		require.NoError(t, err)
		clear(b) // nothing is read from where it was
		got, ok := f.Value("texts")
		require.True(t, ok)
		require.True(t, slices.Equal(want, got.([]string)))
		behind, ok := f.Int("behind")
		require.True(t, ok)
		require.EqualValues(t, 7, behind)
	}
}

// Version 2 has the same form as version 3.
func TestVersion2(t *testing.T) {
	data := sample(t)
	data[4] = 2
	f, err := Parse(data)
	require.NoError(t, err)
	require.Len(t, f.Tensors(), 4)
}

func TestUnfinishedFile(t *testing.T) {
	data := sample(t)
	f, err := Open(writeFile(t, "part.gguf", data[:len(data)-100]))
	require.NoError(t, err)
	defer f.Close()
	list := f.Tensors()
	_, err = f.Data(list[0])
	require.NoError(t, err)
	last := list[len(list)-1]
	_, err = f.Data(last)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	faulttest.RequireError(t, err, `data of tensor "c"`, last.offset)
	err = f.ReadAt(last, make([]byte, 4), 0)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	faulttest.RequireError(t, err, `data of tensor "c"`, last.offset)
}

// A file that shrinks after it was opened is an error, not a fault.
func TestShrinkingFile(t *testing.T) {
	data := sample(t)
	path := writeFile(t, "shrinks.gguf", data)
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	last := f.Tensors()[3]
	_, err = f.Data(last)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, last.offset))
	_, err = f.Data(last)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// A download may begin with its full size: the headers of a sparse file are enough.
func TestSparseFile(t *testing.T) {
	const rows = 1 << 32
	data := file(nil, [][]byte{info("w", F32, 0, 512, rows)}, 0)
	path := writeFile(t, "sparse.gguf", data)
	if err := os.Truncate(path, int64(len(data))+4*512*rows); err != nil {
		t.Skipf("this file system holds no file of 8 TiB: %v", err)
	}
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.Equal(t, int64(8<<40), f.Tensors()[0].Bytes)
}

func TestOnlyRegularFiles(t *testing.T) {
	_, err := Open(t.TempDir())
	require.ErrorContains(t, err, "no regular file")
	_, err = Open(os.DevNull)
	require.ErrorContains(t, err, "no regular file")
	_, err = Open(filepath.Join(t.TempDir(), "absent.gguf"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFixtures(t *testing.T) {
	folder := testdata.Shared(t, "models")
	paths, err := filepath.Glob(filepath.Join(folder, "*.gguf"))
	require.NoError(t, err)
	for _, path := range append(paths, testdata.Shared(t, "demo")) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := Open(path)
			if strings.Contains(path, "-0000") && !strings.Contains(path, "-00001-") {
				faulttest.RequireError(t, err, splitNo, -1)
				return
			}
			require.NoError(t, err)
			defer f.Close()
			arch, ok := f.String("general.architecture")
			require.True(t, ok)
			require.Contains(t, []string{"llama", "deci"}, arch)
			_, bounds, ok := f.Texts("tokenizer.ggml.tokens")
			require.True(t, ok)
			require.Len(t, bounds, 385)
			require.NotEmpty(t, f.Tensors())
			for _, x := range f.Tensors() {
				data, err := f.Data(x)
				require.NoError(t, err)
				require.Len(t, data, int(x.Bytes))
			}
		})
	}
}

func TestWriterRefuses(t *testing.T) {
	w := NewWriter(io.Discard)
	require.NoError(t, w.Set("a", uint8(1)))
	require.Error(t, w.Set("a", uint8(1)), "twice")
	require.Error(t, w.Set("", uint8(1)))
	require.Error(t, w.Set("a\x00", uint8(1)))
	require.Error(t, w.Set("b", 1), "int has no size of its own")
	require.Error(t, w.Set("b", []any{uint8(1)}))
	require.Error(t, w.Set("b", []any{[]any{[]any{[]any{[]any{}}}}}))
	require.Error(t, w.Set("b", strings.Repeat("x", maxString+1)))
	require.Error(t, w.Set(alignmentKey, uint32(3)))
	require.Error(t, w.Set(alignmentKey, int32(32)))
	require.NoError(t, w.Add("t", Q4_0, 2, 32))
	require.Error(t, w.Add("t", Q4_0, 2, 32), "twice")
	require.Error(t, w.Add("u", Q4_0, 2, 33))
	require.Error(t, w.Add("u", Type(4), 2, 32), "dropped")
	require.Error(t, w.Add("u", Type(99), 2, 32))
	require.Error(t, w.Add("u", F32))
	require.Error(t, w.Add("u", F32, 1, 1, 1, 1, 1))
	require.Error(t, w.Add("u", F32, -1))
	require.Error(t, w.Add("u", F32, 1<<40, 1<<40))
	_, err := w.Write(make([]byte, 37))
	require.ErrorContains(t, err, "lacks 36")
	_, err = w.Write(make([]byte, 20))
	require.NoError(t, err)
	require.Error(t, w.Set("late", uint8(1)))
	require.Error(t, w.Add("late", F32, 1))
	require.ErrorContains(t, w.Close(), "lacks 16")
	broken := NewWriter(failing{})
	require.NoError(t, broken.Add("t", F32, 1))
	_, err = broken.Write(make([]byte, 4))
	require.NoError(t, err, "still in the buffer")
	require.ErrorIs(t, broken.Close(), io.ErrShortWrite)
}

// failing is a full disk.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestTypes(t *testing.T) {
	for i, info := range types {
		typ, err := ParseType(strings.ToLower(info.name))
		if info.bytes == 0 {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, Type(i), typ)
		require.Equal(t, info.name, typ.String())
	}
	require.Equal(t, "type 4000000000", Type(4e9).String())
	// Numbers of ggml.h, beside those that are constants here.
	for typ, name := range map[Type]string{9: "Q8_1", 16: "IQ2_XXS", 24: "I8", 28: "F64", 29: "IQ1_M", 34: "TQ1_0", 41: "Q1_0", 42: "Q2_0"} {
		require.Equal(t, name, typ.String())
	}
	for typ, name := range map[Type]string{F16: "F16", Q5_1: "Q5_1", Q6_K: "Q6_K", IQ4_NL: "IQ4_NL", IQ4_XS: "IQ4_XS", BF16: "BF16", MXFP4: "MXFP4", NVFP4: "NVFP4"} {
		require.Equal(t, name, typ.String())
	}
}
