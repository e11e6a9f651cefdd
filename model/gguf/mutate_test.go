package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/metrics"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/mmap"
	"trona/testdata"
)

// measure returns the bytes that f allocates, freed or not.
func measure(f func()) uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	before := s[0].Value.Uint64()
	f()
	metrics.Read(s)
	return s[0].Value.Uint64() - before
}

// bound is what opening a file may allocate.
func bound(data []byte) uint64 { return 4*uint64(len(data)) + 1<<20 }

// use opens a file and asks for everything in it.
func use(data []byte) error {
	f, err := Parse(data)
	if err != nil {
		return err
	}
	for _, key := range f.Keys() {
		f.String(key)
		f.Strings(key)
		f.Int(key)
		f.Ints(key)
		f.Float(key)
		f.Floats(key)
		f.Bool(key)
	}
	for _, x := range f.Tensors() {
		bytes, err := f.Data(x)
		if err == nil && int64(len(bytes)) != x.Bytes {
			return fmt.Errorf("%d bytes for %d of %s", len(bytes), x.Bytes, x.Name)
		}
		if e := new(Error); err != nil && !errors.As(err, &e) {
			return err
		}
	}
	return f.Close()
}

// requireSound asks that a file opens, or fails with an Error that says where,
// and that it costs no more memory than it may.
func requireSound(t testing.TB, data []byte, what string) {
	var err error
	allocated := measure(func() { err = use(data) })
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || e.Field == "" || e.Message == "" || e.Offset < 0 || e.Offset > int64(len(data)) {
			t.Fatalf("%s: %#v", what, err)
		}
	}
	if allocated > bound(data) {
		t.Fatalf("%s: %d bytes allocated for a file of %d", what, allocated, len(data))
	}
}

// withoutData cuts a file 64 bytes after its header.
func withoutData(t testing.TB, data []byte) []byte {
	h, err := readHeader("", mmap.Memory(data))
	require.NoError(t, err)
	return data[:min(int64(len(data)), h.tensors[0].offset+64)]
}

// seeds are small files, and the header of a real one.
func seeds(t testing.TB) map[string][]byte {
	all := map[string][]byte{
		"sample": sample(t),
		"tiny":   tensors(info("t", F32, 0, 2, 2), info("u", Q8_0, 32, 32)),
		"keys":   oneKey("a", uint32(9), uint32(8), uint64(2), "x", "y"),
	}
	demo, err := os.ReadFile(filepath.Join("..", "demo", "demo.gguf"))
	require.NoError(t, err)
	all["demo"] = withoutData(t, demo)
	return all
}

// Every truncation point of every seed.
func TestTruncations(t *testing.T) {
	for name, data := range seeds(t) {
		step := 1
		if testing.Short() {
			step = 7
		}
		for n := 0; n < len(data); n += step {
			requireSound(t, data[:n:n], fmt.Sprintf("%s cut at %d", name, n))
		}
	}
}

// Truncation points of real headers, of which there are too many to try all.
func TestFixtureTruncations(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testdata.Shared(t, "models"), "*.gguf"))
	require.NoError(t, err)
	for i, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		data = withoutData(t, data)
		for n := i; n < len(data); n += 97 {
			requireSound(t, data[:n:n], fmt.Sprintf("%s cut at %d", filepath.Base(path), n))
		}
	}
}

// mutate changes a file a little, mostly where it hurts: numbers become sizes
// that overflow.
func mutate(rng *rand.Rand, data []byte) []byte {
	data = slices.Clone(data)
	for range 1 + rng.IntN(3) {
		if len(data) < 16 {
			return data
		}
		at := rng.IntN(len(data) - 8)
		switch rng.IntN(7) {
		case 0:
			data[at] ^= 1 << rng.IntN(8)
		case 1:
			data[at] = byte(rng.Uint32())
		case 2:
			binary.LittleEndian.PutUint64(data[at:], hurtful[rng.IntN(len(hurtful))])
		case 3:
			binary.LittleEndian.PutUint32(data[at:], uint32(hurtful[rng.IntN(len(hurtful))]))
		case 4:
			data = slices.Delete(data, at, at+1+rng.IntN(8))
		case 5:
			from := rng.IntN(len(data) - 8)
			data = slices.Insert(data, at, data[from:from+1+rng.IntN(8)]...)
		case 6:
			data = data[:at]
		}
	}
	return data
}

var hurtful = []uint64{
	0, 1, 2, 7, 8, 9, 12, 13, 31, 32, 255, 256, 1 << 15, 1 << 16, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 40,
	1 << 61, 1 << 62, 1<<63 - 1, 1 << 63, math.MaxUint64, 0x7FFFFFFFFFFFFFC0,
}

// 100,000 changed files.
func TestMutations(t *testing.T) {
	all := seeds(t)
	n := 100_000
	if testing.Short() {
		n = 5000
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		name := names[i%len(names)]
		requireSound(t, mutate(rng, all[name]), fmt.Sprintf("%s, mutation %d", name, i))
	}
}

// Large files made only to need much memory for each of their bytes.
func TestMemory(t *testing.T) {
	many := func(n int, each func(i int) []byte) [][]byte {
		list := make([][]byte, n)
		for i := range list {
			list[i] = each(i)
		}
		return list
	}
	repeat := func(n int, values ...any) []byte {
		return slices.Concat(many(n, func(int) []byte { return le(values...) })...)
	}
	const n = 1 << 19
	short := func(i int) string { return string([]byte{byte('a' + i/676%26), byte('a' + i/26%26), byte('a' + i%26)}) }
	for name, data := range map[string][]byte{
		"keys":            file(many(17_000, func(i int) []byte { return le(short(i), uint32(0), uint8(200)) }), nil, 0),
		"numbers":         file(many(17_000, func(i int) []byte { return le(short(i), uint32(12), 1.5) }), nil, 0),
		"empty arrays":    file(many(17_000, func(i int) []byte { return le(short(i), uint32(9), uint32(0), uint64(0)) }), nil, 0),
		"tensors":         file(nil, many(17_000, func(i int) []byte { return info(short(i), F32, 0, 0) }), 0),
		"many tensors":    file(nil, many(200_000, func(i int) []byte { return info(fmt.Sprint(i), F32, uint64(32*i), 1) }), 0),
		"empty strings":   oneKey("a", uint32(9), uint32(8), uint64(n), repeat(n, "")),
		"short strings":   oneKey("a", uint32(9), uint32(8), uint64(n), repeat(n, "x")),
		"strings of 9":    oneKey("a", uint32(9), uint32(8), uint64(n), repeat(n, "123456789")),
		"strings of 17":   oneKey("a", uint32(9), uint32(8), uint64(n), repeat(n, "12345678901234567")),
		"nested":          oneKey("a", uint32(9), uint32(9), uint64(n), repeat(n, uint32(0), uint64(0))),
		"nested one":      oneKey("a", uint32(9), uint32(9), uint64(n), repeat(n, uint32(0), uint64(1), uint8(1))),
		"nested strings":  oneKey("a", uint32(9), uint32(9), uint64(n), repeat(n, uint32(8), uint64(1), "")),
		"nested twice":    oneKey("a", uint32(9), uint32(9), uint64(n), repeat(n, uint32(9), uint64(1), uint32(0), uint64(0))),
		"nested claims":   oneKey("a", uint32(9), uint32(9), uint64(2*n), uint32(9), uint64(n), uint32(8), uint64(n), make([]byte, 30*n)),
		"truth values":    oneKey("a", uint32(9), uint32(7), uint64(16*n), make([]byte, 16*n)),
		"bytes":           oneKey("a", uint32(9), uint32(0), uint64(16*n), make([]byte, 16*n)),
		"shorts":          oneKey("a", uint32(9), uint32(2), uint64(8*n), make([]byte, 16*n)),
		"text":            oneKey("a", uint32(8), string(make([]byte, maxString))),
		"claims":          le(lit(magic), uint32(3), uint64(20_000), uint64(60_000), make([]byte, 1_600_000)),
		"one long string": oneKey("a", uint32(9), uint32(8), uint64(n), make([]byte, 8*n-8), string(make([]byte, 100))),
	} {
		t.Run(name, func(t *testing.T) {
			var f *File
			var err error
			allocated := measure(func() { f, err = Parse(data) })
			t.Logf("%.2f bytes for each of %d: %v", float64(allocated)/float64(len(data)), len(data), err)
			require.LessOrEqual(t, allocated, bound(data))
			if err != nil {
				return
			}
			for _, key := range []string{"a", "b"} {
				f.Ints(key)
				f.Floats(key)
			}
			require.LessOrEqual(t, measure(func() { f.Ints("a"); f.Floats("a"); f.Strings("a") }), bound(data))
		})
	}
}

func FuzzParse(f *testing.F) {
	for name, data := range seeds(f) {
		if name != "demo" { // the fuzzer would spend its time on making it smaller
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { requireSound(t, data, "file") })
}
