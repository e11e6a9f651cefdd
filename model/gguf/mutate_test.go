package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/fault"
	"trona/model/faulttest"
	"trona/model/mmap"
	"trona/testdata"
)

// use opens a file and asks for everything in it.
func use(data []byte) error {
	f, err := Parse(data)
	if err != nil {
		return err
	}
	for _, key := range f.Keys() {
		f.String(key)
		f.Texts(key)
		f.Value(key)
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
		if e := new(fault.Error); err != nil && !errors.As(err, &e) {
			return err
		}
	}
	return f.Close()
}

// withoutData cuts a file 64 bytes after its header.
func withoutData(t testing.TB, data []byte) []byte {
	h, err := readHeader("memory", mmap.Memory(data))
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
			faulttest.RequireSound(t, data[:n:n], fmt.Sprintf("%s cut at %d", name, n), use)
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
			faulttest.RequireSound(t, data[:n:n], fmt.Sprintf("%s cut at %d", filepath.Base(path), n), use)
		}
	}
}

// hurt makes a number one that overflows where it becomes a size.
func hurt(rng *rand.Rand) func(data []byte, at int) []byte {
	return func(data []byte, at int) []byte {
		n := hurtful[rng.IntN(len(hurtful))]
		if rng.IntN(2) == 0 {
			binary.LittleEndian.PutUint64(data[at:], n)
		} else {
			binary.LittleEndian.PutUint32(data[at:], uint32(n))
		}
		return data
	}
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
		faulttest.RequireSound(t, faulttest.Mutate(rng, all[name], hurt(rng)), fmt.Sprintf("%s, mutation %d", name, i), use)
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
			allocated := faulttest.Allocated(func() { f, err = Parse(data) })
			t.Logf("%.2f bytes for each of %d: %v", float64(allocated)/float64(len(data)), len(data), err)
			require.LessOrEqual(t, allocated, faulttest.Bound(len(data)))
			if err != nil {
				return
			}
			for _, key := range []string{"a", "b"} {
				f.Ints(key)
				f.Floats(key)
			}
			require.LessOrEqual(t, faulttest.Allocated(func() { f.Ints("a"); f.Floats("a"); f.Value("a") }), faulttest.Bound(len(data)))
		})
	}
}

func FuzzParse(f *testing.F) {
	for name, data := range seeds(f) {
		if name != "demo" { // the fuzzer would spend its time on making it smaller
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { faulttest.RequireSound(t, data, "file", use) })
}
