package safetensors

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/faulttest"
	"trona/model/mmap"
	"trona/testdata"
)

// file is a file of that header, with that much data.
func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

// sampleHeader has a scalar, an empty tensor, names to unescape, and tensors
// that are not in the order of their data; the data has 60 bytes.
const sampleHeader = `{"__metadata__":{"format":"pt","note":"a \"b\""},` +
	`"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[48,60]},` +
	`"a.\u00e9":{"shape":[3,4],"data_offsets":[0,48],"dtype":"F32"},` +
	`"none":{"dtype":"I64","shape":[0,7],"data_offsets":[60,60]} , ` +
	`"one":{"data_offsets":[60,61],"dtype":"F8_E4M3","shape":[]}}   `

func sample() []byte {
	data := file(sampleHeader, 61)
	for i := range 61 {
		data[len(data)-61+i] = byte(i)
	}
	return data
}

func writeFile(t testing.TB, name string, data []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// parse reads a file in memory.
func parse(data []byte) (*Files, error) {
	f := &Files{shards: []shard{{file: mmap.Memory(data)}}}
	var err error
	f.tensors, err = readHeader("memory", f.shards[0].file)
	return f, err
}

func TestOpen(t *testing.T) {
	f, err := Open(writeFile(t, "x.safetensors", sample()))
	require.NoError(t, err)
	for i, want := range []struct {
		name     string
		typ      string
		shape    []int64
		from, to int
	}{
		{"a.é", "F32", []int64{3, 4}, 0, 48}, {"b", "BF16", []int64{2, 3}, 48, 60},
		{"none", "I64", []int64{0, 7}, 60, 60}, {"one", "F8_E4M3", []int64{}, 60, 61},
	} {
		x := f.Tensors()[i]
		require.Equal(t, want.name, x.Name)
		require.Equal(t, want.typ, x.Type.String())
		require.Equal(t, want.shape, x.Shape)
		require.Equal(t, int64(want.to-want.from), x.Bytes)
		data, err := f.Data(x)
		require.NoError(t, err)
		require.Len(t, data, want.to-want.from)
		for i, b := range data {
			require.Equal(t, byte(want.from+i), b)
		}
		some := make([]byte, len(data))
		require.NoError(t, f.ReadAt(x, some, 0))
		require.Equal(t, string(data), string(some))
		require.ErrorIs(t, f.ReadAt(x, append(some, 0), 0), io.ErrUnexpectedEOF)
	}
	require.NoError(t, f.Close())
	_, err = f.Data(f.Tensors()[0])
	require.ErrorIs(t, err, os.ErrClosed)
}

func TestUnfinishedFile(t *testing.T) {
	data := sample()
	path := writeFile(t, "x.safetensors", data[:len(data)-5])
	f, err := Open(path)
	require.NoError(t, err)
	defer f.Close()
	_, err = f.Data(f.Tensors()[0])
	require.NoError(t, err)
	_, err = f.Data(f.Tensors()[1])
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	faulttest.RequireError(t, err, `data of tensor "b"`, int64(8+len(sampleHeader)+48))
	faulttest.RequireError(t, f.ReadAt(f.Tensors()[1], make([]byte, 12), 0), `data of tensor "b"`, int64(8+len(sampleHeader)+48))
	require.NoError(t, os.Truncate(path, 20))
	_, err = f.Data(f.Tensors()[0])
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "it shrank while it was open")
}

// writeFolder writes an index of two files, and changes to the folder's files:
// those of an empty text are removed.
func writeFolder(t testing.TB, changes map[string]string) string {
	dir := t.TempDir()
	files := map[string]string{
		indexName:         `{"metadata":{"total_size":10},"weight_map":{"a":"m-1.safetensors","c":"m-2.safetensors","b":"m-1.safetensors"}}`,
		"m-1.safetensors": string(file(`{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}`, 5)),
		"m-2.safetensors": string(file(`{"c":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1)),
	}
	for name, text := range changes {
		files[name] = text
	}
	for name, text := range files {
		if text != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	}
	return dir
}

func TestFolder(t *testing.T) {
	f, err := Open(writeFolder(t, nil))
	require.NoError(t, err)
	defer f.Close()
	var names string
	for _, x := range f.Tensors() {
		names += x.Name
		data, err := f.Data(x)
		require.NoError(t, err)
		require.Len(t, data, int(x.Bytes))
	}
	require.Equal(t, "abc", names)
	single, err := Open(writeFolder(t, map[string]string{singleName: string(sample())}))
	require.NoError(t, err)
	defer single.Close()
	require.Len(t, single.Tensors(), 4, "one file is preferred")
	empty := t.TempDir()
	_, err = Open(empty)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "neither model.safetensors nor")
}

// TestFolderWithoutIndex: the parts of a set, or the only file.
func TestFolderWithoutIndex(t *testing.T) {
	one := string(sample())
	for name, tc := range map[string]struct {
		files []string
		opens int // files
		fails string
	}{
		"another name": {[]string{"consolidated.safetensors", "adapter_model.safetensors", "config.json"}, 1, ""},
		"a set":        {[]string{"m-00002-of-00003.safetensors", "m-00001-of-00003.safetensors", "m-00003-of-00003.safetensors", "consolidated.safetensors"}, 3, ""},
		"a set of one": {[]string{"model-00001-of-00001.safetensors"}, 1, ""},
		"a part less":  {[]string{"m-00001-of-00003.safetensors", "m-00003-of-00003.safetensors"}, 0, "m-00002-of-00003.safetensors is missing"},
		"no set":       {[]string{"m-00001-of-00000.safetensors"}, 0, "a set of 00000 files"},
		"a large set":  {[]string{"m-00001-of-99999.safetensors"}, 0, "a set of 99999 files"},
		"two sets":     {[]string{"m-00001-of-00001.safetensors", "n-00001-of-00001.safetensors"}, 0, "m-00001-of-00001.safetensors and n-00001-of-00001.safetensors are of two sets"},
		"two":          {[]string{"a.safetensors", "b.safetensors"}, 0, "not one other file but 2"},
		"pickled":      {[]string{"pytorch_model.bin"}, 0, "pytorch_model.bin, which is not supported"},
		"an adapter":   {[]string{"adapter_model.safetensors"}, 0, "neither model.safetensors nor model.safetensors.index.json$"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range tc.files {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(one), 0o600))
			}
			f, err := Open(dir)
			if tc.fails != "" {
				require.Error(t, err)
				require.Regexp(t, tc.fails, err.Error())
				return
			}
			require.NoError(t, err)
			defer f.Close()
			require.Len(t, f.Tensors(), 4*tc.opens)
		})
	}
}

func TestIndexRefuses(t *testing.T) {
	index := func(weightMap string) map[string]string {
		return map[string]string{indexName: `{"weight_map":` + weightMap + `}`}
	}
	for name, tc := range map[string]struct {
		field   string
		changes map[string]string
	}{
		"no JSON":         {"index", map[string]string{indexName: "weights"}},
		"list":            {"index", map[string]string{indexName: "[]"}},
		"cut off":         {"index", map[string]string{indexName: `{"weight_map":{"a":"m-1.safetensors"}`}},
		"goes on":         {"index", map[string]string{indexName: `{"weight_map":{}} {}`}},
		"no weight_map":   {"index", map[string]string{indexName: `{"metadata":{}}`}},
		"weight_map list": {"weight_map", index(`["m-1.safetensors"]`)},
		"two weight_maps": {"index", map[string]string{indexName: `{"weight_map":{},"weight_map":{}}`}},
		"number":          {`weight_map of tensor "a"`, index(`{"a":1}`)},
		"parent":          {`weight_map of tensor "a"`, index(`{"a":"../m-1.safetensors"}`)},
		"below":           {`weight_map of tensor "a"`, index(`{"a":"x/m-1.safetensors"}`)},
		"absolute":        {`weight_map of tensor "a"`, index(`{"a":"/etc/passwd"}`)},
		"escaped":         {`weight_map of tensor "a"`, index(`{"a":"\u002e\u002e\u002fm-1.safetensors"}`)},
		"drive":           {`weight_map of tensor "a"`, index(`{"a":"C:m-1.safetensors"}`)},
		"backslash":       {`weight_map of tensor "a"`, index(`{"a":"..\\m-1.safetensors"}`)},
		"address":         {`weight_map of tensor "a"`, index(`{"a":"http://a/m-1.safetensors"}`)},
		"dots":            {`weight_map of tensor "a"`, index(`{"a":".."}`)},
		"dot":             {`weight_map of tensor "a"`, index(`{"a":"."}`)},
		"NUL":             {`weight_map of tensor "a"`, index(`{"a":"m\u0000"}`)},
		"empty":           {`weight_map of tensor "a"`, index(`{"a":""}`)},
		"not there":       {`weight_map of tensor "d"`, index(`{"a":"m-1.safetensors","d":"m-2.safetensors"}`)},
		"in the other":    {`weight_map of tensor "a"`, index(`{"a":"m-2.safetensors","b":"m-1.safetensors"}`)},
		"twice":           {`weight_map of tensor "a"`, index(`{"a":"m-1.safetensors","a":"m-1.safetensors"}`)},
		"in both":         {`tensor "c"`, map[string]string{"m-1.safetensors": string(file(`{"c":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1))}},
		"itself":          {"header length", index(`{"a":"` + indexName + `"}`)},
		"bad shard":       {"header length", map[string]string{"m-2.safetensors": "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(writeFolder(t, tc.changes))
			faulttest.RequireError(t, err, tc.field, -1)
		})
	}
	_, err := Open(writeFolder(t, map[string]string{"m-2.safetensors": ""}))
	require.ErrorIs(t, err, os.ErrNotExist)
	dir := writeFolder(t, map[string]string{"m-2.safetensors": ""})
	require.NoError(t, os.Mkdir(filepath.Join(dir, "m-2.safetensors"), 0o700))
	_, err = Open(dir)
	require.ErrorContains(t, err, "no regular file")
}

// Hugging Face's cache is a folder of links.
func TestLinks(t *testing.T) {
	dir, files := t.TempDir(), writeFolder(t, nil)
	for _, name := range []string{indexName, "m-1.safetensors", "m-2.safetensors"} {
		if err := os.Symlink(filepath.Join(files, name), filepath.Join(dir, name)); err != nil {
			t.Skipf("no links here: %v", err)
		}
	}
	f, err := Open(dir)
	require.NoError(t, err)
	require.Len(t, f.Tensors(), 3)
	require.NoError(t, f.Close())
}

func TestFixtures(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testdata.Shared(t, "models"), "*", "config.json"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			f, err := Open(dir)
			require.NoError(t, err)
			defer f.Close()
			require.NotEmpty(t, f.Tensors())
			sum := int64(0)
			for _, x := range f.Tensors() {
				data, err := f.Data(x)
				require.NoError(t, err)
				require.Len(t, data, int(x.Bytes))
				sum += x.Bytes
			}
			text, err := os.ReadFile(filepath.Join(dir, indexName))
			if err != nil {
				return
			}
			var index struct {
				Metadata struct {
					Total int64 `json:"total_size"`
				}
				WeightMap map[string]string `json:"weight_map"`
			}
			require.NoError(t, json.Unmarshal(text, &index))
			require.Equal(t, index.Metadata.Total, sum)
			require.Len(t, f.Tensors(), len(index.WeightMap))
		})
	}
}
