package safetensors

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/fault"
	"trona/model/faulttest"
	"trona/testdata"
)

// use opens a file and asks for everything in it.
func use(data []byte) error {
	f, err := parse(data)
	if err != nil {
		return err
	}
	end := int64(0)
	for _, x := range f.Tensors() {
		bytes, err := f.Data(x)
		if err == nil && (int64(len(bytes)) != x.Bytes || x.offset < end) {
			return fmt.Errorf("%d bytes at %d for %d of %s", len(bytes), x.offset, x.Bytes, x.Name)
		}
		if e := new(fault.Error); err != nil && !errors.As(err, &e) {
			return err
		}
		end = x.offset + x.Bytes
	}
	return f.Close()
}

func seeds() [][]byte {
	return [][]byte{
		sample(), file("{}", 0),
		file(`{"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"u":{"dtype":"F32","shape":[1,1],"data_offsets":[4,8]}}`, 8),
	}
}

// Every truncation point of every seed, and many of real headers.
func TestTruncations(t *testing.T) {
	for i, data := range seeds() {
		for n := range data {
			faulttest.RequireSound(t, data[:n:n], fmt.Sprintf("seed %d cut at %d", i, n), use)
		}
	}
	paths, err := filepath.Glob(filepath.Join(testdata.Shared(t, "models"), "*", "*.safetensors"))
	require.NoError(t, err)
	for i, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		f, err := parse(data)
		require.NoError(t, err)
		for n := i; n < int(f.Tensors()[0].offset)+10; n += 31 {
			faulttest.RequireSound(t, data[:n:n], fmt.Sprintf("%s cut at %d", path, n), use)
		}
	}
}

// hurt writes what JSON is broken by, in between or over what is there.
func hurt(rng *rand.Rand) func(data []byte, at int) []byte {
	return func(data []byte, at int) []byte {
		text := hurtful[rng.IntN(len(hurtful))]
		if rng.IntN(2) == 0 {
			return slices.Insert(data, at, []byte(text)...)
		}
		copy(data[at:], text)
		return data
	}
}

var hurtful = []string{
	"0", "1", "9", "-", "1e9", "1.5", "9223372036854775807", "18446744073709551615", "[", "]", "{", "}", ",", ":", `"`, `\`, `\u0000`,
	" ", "null", "true", `"a":"b",`, `"shape":[1],`, "[0,1]", "\x00\x00\x00\x00", "\xff\xff\xff\xff", "F64", "F4", "__metadata__",
}

// 100,000 changed files. Half of them keep a length that fits, so as to get
// beyond it.
func TestMutations(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5000
	}
	all := seeds()
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		data := faulttest.Mutate(rng, all[i%len(all)], hurt(rng))
		if i%2 == 0 && len(data) > 8 {
			end := strings.LastIndexByte(string(data), '}') + 1
			clear(data[:8])
			data[0], data[1] = byte(max(0, end-8)), byte(max(0, end-8)>>8)
		}
		faulttest.RequireSound(t, data, fmt.Sprintf("mutation %d", i), use)
	}
}

// useIndex reads an index of the files in a folder.
func useIndex(dir string) func(text []byte) error {
	return func(text []byte) error {
		f := &Files{}
		err := f.readIndex(filepath.Join(dir, indexName), text)
		if closed := f.Close(); closed != nil {
			return closed
		}
		var path *fs.PathError // a file that is not there
		if errors.As(err, &path) || err != nil && strings.Contains(err.Error(), "regular file") {
			return nil
		}
		return err
	}
}

func TestIndexMutations(t *testing.T) {
	dir := writeFolder(t, nil)
	index, err := os.ReadFile(filepath.Join(dir, indexName))
	require.NoError(t, err)
	for n := range index {
		faulttest.RequireSound(t, index[:n:n], fmt.Sprintf("cut at %d", n), useIndex(dir))
	}
	n := 100_000
	if testing.Short() {
		n = 5000
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		faulttest.RequireSound(t, faulttest.Mutate(rng, index, hurt(rng)), fmt.Sprintf("mutation %d", i), useIndex(dir))
	}
}

// Large files made only to need much memory for each of their bytes.
func TestMemory(t *testing.T) {
	many := func(n int, form string) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range n {
			fmt.Fprintf(&b, form, i)
		}
		return strings.TrimSuffix(b.String(), ",") + "}"
	}
	for name, header := range map[string]string{
		"tensors":    many(60_000, `"%x":{"dtype":"U8","shape":[],"data_offsets":[0,0]},`),
		"no size":    many(60_000, `"%x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`),
		"dimensions": many(60_000, `"%x":{"dtype":"U8","shape":[0,0,0,0,0,0,0,0],"data_offsets":[0,0]},`),
		"metadata":   `{"__metadata__":{` + manyNames(4000) + `,"long":"` + strings.Repeat("x", 1<<23) + `"}}`,
		"long name":  many(1, `"`+strings.Repeat("n", 1<<23)+`%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`),
		"escapes":    many(1, `"`+strings.Repeat(`\u00e9`, 1<<20)+`%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`),
		"spaces":     "{" + strings.Repeat(" ", 1<<23) + "}",
		"nested":     `{"t":` + strings.Repeat("[", 1<<23) + "}",
	} {
		t.Run(name, func(t *testing.T) {
			data := file(header, 0)
			var err error
			allocated := faulttest.Allocated(func() { _, err = parse(data) })
			t.Logf("%.2f bytes for each of %d: %.200v", float64(allocated)/float64(len(data)), len(data), err)
			require.LessOrEqual(t, allocated, faulttest.Bound(len(data)))
		})
	}
	t.Run("index", func(t *testing.T) {
		text := many(300_000, `"%x":"m-1.safetensors",`)
		dir := writeFolder(t, map[string]string{indexName: `{"weight_map":` + text + `}`})
		var err error
		allocated := faulttest.Allocated(func() { _, err = Open(dir) })
		t.Logf("%.2f bytes for each of %d", float64(allocated)/float64(len(text)), len(text))
		require.LessOrEqual(t, allocated, faulttest.Bound(len(text)))
		faulttest.RequireError(t, err, `weight_map of tensor "0"`, -1)
	})
}

func FuzzHeader(f *testing.F) {
	for _, data := range seeds() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { faulttest.RequireSound(t, data, "file", use) })
}

func FuzzIndex(f *testing.F) {
	dir := writeFolder(f, nil)
	index, err := os.ReadFile(filepath.Join(dir, indexName))
	require.NoError(f, err)
	f.Add(index)
	f.Add([]byte(`{"metadata":{"total_size":1},"weight_map":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) { faulttest.RequireSound(t, text, "index", useIndex(dir)) })
}
