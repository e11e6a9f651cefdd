package gguf

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"trona/model/faulttest"

	"github.com/stretchr/testify/require"
)

// splitPart is one file of a set: its keys, and its tensors by name.
type splitPart struct {
	keys    map[string]any
	tensors []string
}

func splitKeys(no, count int, tensors int32) map[string]any {
	return map[string]any{splitNo: uint16(no), splitCount: uint16(count), splitTensors: tensors}
}

// set is a set of three files of which the first has no tensors.
func set() []splitPart {
	return []splitPart{{splitKeys(0, 3, 3), nil}, {splitKeys(1, 3, 3), []string{"a", "b"}}, {splitKeys(2, 3, 3), []string{"c"}}}
}

// writeSet writes the files under their names and returns the folder.
func writeSet(t *testing.T, parts []splitPart) string {
	dir := t.TempDir()
	for i, p := range parts {
		out, err := os.Create(filepath.Join(dir, fmt.Sprintf("m-%05d-of-%05d.gguf", i+1, len(parts))))
		require.NoError(t, err)
		w := NewWriter(out)
		if i == 0 {
			require.NoError(t, w.Set("general.architecture", "llama"))
		}
		for key, v := range p.keys {
			require.NoError(t, w.Set(key, v))
		}
		for _, name := range p.tensors {
			require.NoError(t, w.Add(name, F32, 2))
		}
		for _, name := range p.tensors {
			_, err := w.Write(fill(name[0], 8))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		require.NoError(t, out.Close())
	}
	return dir
}

func TestSplit(t *testing.T) {
	f, err := Open(filepath.Join(writeSet(t, set()), "m-00001-of-00003.gguf"))
	require.NoError(t, err)
	defer f.Close()
	require.True(t, f.Has("general.architecture"))
	var names string
	for _, x := range f.Tensors() {
		names += x.Name
		data, err := f.Data(x)
		require.NoError(t, err)
		require.Equal(t, fill(x.Name[0], 8), data)
	}
	require.Equal(t, "abc", names)
}

func TestSplitRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		field  string
		part   int // whose file the message names
		change func(parts []splitPart)
	}{
		"wrong number":   {splitNo, 2, func(p []splitPart) { p[2].keys[splitNo] = uint16(1) }},
		"cyclic":         {splitNo, 1, func(p []splitPart) { p[1].keys[splitNo] = uint16(0) }},
		"no number":      {splitNo, 1, func(p []splitPart) { delete(p[1].keys, splitNo) }},
		"wrong count":    {splitCount, 1, func(p []splitPart) { p[1].keys[splitCount] = uint16(4) }},
		"another count":  {splitCount, 0, func(p []splitPart) { p[0].keys[splitCount] = uint16(4) }},
		"another model":  {splitTensors, 1, func(p []splitPart) { p[1].keys[splitTensors] = int32(7) }},
		"tensor missing": {splitTensors, 0, func(p []splitPart) { p[2].tensors = nil }},
		"tensor twice":   {`tensor "a"`, 2, func(p []splitPart) { p[2].tensors[0] = "a" }},
		"not the first":  {splitNo, 0, func(p []splitPart) { p[0].keys[splitNo] = uint16(1) }},
	} {
		t.Run(name, func(t *testing.T) {
			parts := set()
			tc.change(parts)
			_, err := Open(filepath.Join(writeSet(t, parts), "m-00001-of-00003.gguf"))
			e := faulttest.RequireError(t, err, tc.field, -1)
			require.Contains(t, e.File, fmt.Sprintf("m-%05d-of", tc.part+1))
		})
	}
	dir := writeSet(t, set())
	_, err := Open(filepath.Join(dir, "m-00002-of-00003.gguf"))
	faulttest.RequireError(t, err, splitNo, -1)
	require.ErrorContains(t, err, "open "+filepath.Join(dir, "m-00001-of-00003.gguf"))
	require.NoError(t, os.Remove(filepath.Join(dir, "m-00003-of-00003.gguf")))
	_, err = Open(filepath.Join(dir, "m-00001-of-00003.gguf"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.Rename(filepath.Join(dir, "m-00001-of-00003.gguf"), filepath.Join(dir, "m.gguf")))
	_, err = Open(filepath.Join(dir, "m.gguf"))
	faulttest.RequireError(t, err, splitCount, -1)
}
