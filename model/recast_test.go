package model_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
	"trona/model/convert"
	"trona/model/gguf"
	"trona/model/modeltest"
	"trona/model/quant"
	"trona/testdata"
)

// recastTypes are the types that turn into others, and where a block of theirs has d.
var recastTypes = []struct {
	name string
	half int64
}{
	{"IQ2_S", 0}, {"IQ3_XXS", 0}, {"IQ1_M", 54}, {"IQ3_S", 0}, {"IQ2_XXS", 0}, {"TQ1_0", 52}, {"IQ2_XS", 0}, {"IQ1_S", 0}, {"TQ2_0", 64},
	{"Q1_0", 0}, {"Q2_0", 0},
}

// wide writes a model of the family as a GGUF file, with rows that blocks of 256 divide.
func wide(t *testing.T, family string) string {
	data, err := os.ReadFile(testdata.Path(t, "models", "family", family, "config.json"))
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal(data, &config))
	config["hidden_size"], config["intermediate_size"], config["vocab_size"] = 256, 512, 300
	delete(config, "head_dim")
	dir := t.TempDir()
	data, err = json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600))
	ckpt, err := model.OpenRandom(dir, nil)
	require.NoError(t, err)
	defer ckpt.Close()
	target, err := convert.ParseTarget("F32")
	require.NoError(t, err)
	path := filepath.Join(dir, "wide.gguf")
	_, err = convert.File(t.Context(), ckpt, path, convert.Options{Target: target})
	require.NoError(t, err)
	return path
}

// recastFiles writes a model with random matrices of these types, and with the same values
// in F32.
func recastFiles(t *testing.T, path string) (recast, plain string) {
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	var types [2][]gguf.Type
	var data [2][][]byte
	for i, x := range f.Tensors() {
		bytes, err := f.Data(x)
		require.NoError(t, err)
		typ, values := x.Type, bytes
		if len(x.Shape) == 2 {
			kind := recastTypes[i%len(recastTypes)]
			if strings.Contains(x.Name, "attn_q.") || strings.Contains(x.Name, "attn_k.") || strings.Contains(x.Name, "attn_v.") {
				kind = recastTypes[0] // so that they can be joined
			}
			typ, err = gguf.ParseType(kind.name)
			require.NoError(t, err)
			bytes, values = randomBlocks(rng, kind.name, kind.half, x.Shape)
		}
		types[0], types[1] = append(types[0], typ), append(types[1], map[bool]gguf.Type{true: gguf.F32, false: x.Type}[len(x.Shape) == 2])
		data[0], data[1] = append(data[0], bytes), append(data[1], values)
	}
	var paths [2]string
	for i := range paths {
		paths[i] = filepath.Join(t.TempDir(), "model.gguf")
		out, err := os.Create(paths[i])
		require.NoError(t, err)
		defer out.Close()
		w := gguf.NewWriter(out)
		for _, key := range f.Keys() {
			value, _ := f.Value(key)
			require.NoError(t, w.Set(key, value))
		}
		for j, x := range f.Tensors() {
			require.NoError(t, w.Add(x.Name, types[i][j], x.Shape...))
		}
		for _, bytes := range data[i] {
			_, err = w.Write(bytes)
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
	}
	return paths[0], paths[1]
}

// randomBlocks returns a matrix, and its values.
func randomBlocks(rng *rand.Rand, typ string, half int64, shape []int64) (blocks, values []byte) {
	x := quant.RecastOf(typ)
	blocks = make([]byte, shape[0]*x.RowBytes(shape[1]))
	for i := range blocks {
		blocks[i] = byte(rng.Uint32())
	}
	for at := half; at < int64(len(blocks)); at += x.RowBytes(x.Block) {
		const exponent = 0x18 // 2^-9: the highest nibble of IQ1_M's d stands where d does elsewhere
		blocks[at], blocks[at+1] = blocks[at]&0x0f, exponent|blocks[at+1]&0x80
	}
	m := &kernels.Matrix{Rows: shape[0], Cols: shape[1], Data: blocks}
	x.Matrix(m)
	row := make([]float32, shape[1])
	for r := range shape[0] {
		quant.Row(row, m, r)
		for _, v := range row {
			values = binary.LittleEndian.AppendUint32(values, math.Float32bits(v))
		}
	}
	return blocks, values
}

// TestRecast: models in types that turn into others answer as the same values do: with q, k
// and v in one tensor, with factors, and with heads that are rotated in part.
func TestRecast(t *testing.T) {
	dev, err := cpu.Open(cpu.Options{Variant: "exact"})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	tokens := []int32{1, 5, 9, 70, 3, 3, 95, 200, 299}
	logits := func(path string) [][]float32 {
		ckpt, err := model.Open(path)
		require.NoError(t, err)
		defer ckpt.Close()
		require.Empty(t, ckpt.Unread)
		return modeltest.Logits(t, ckpt, dev, tokens, 5, 6)
	}
	compare := func(want [][]float32, path string) {
		for i, row := range logits(path) {
			tolerance := 1e-4 * float64(max(slices.Max(want[i]), -slices.Min(want[i])))
			require.InDeltaSlice(t, want[i], row, tolerance, "%s: position %d", path, i)
		}
	}
	demo, plain := recastFiles(t, testdata.Path(t, "..", "model", "demo", "demo.gguf"))
	want := logits(plain)
	compare(want, demo)
	compare(want, joinQKV(t, demo, 0))
	for _, family := range []string{"phi3-partial", "glm4", "granite", "minicpm", "olmo2"} {
		recast, plain := recastFiles(t, wide(t, family))
		compare(logits(plain), recast)
	}
}
