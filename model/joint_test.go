package model_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels/cpu"
	"trona/model"
	"trona/model/convert"
	"trona/model/gguf"
	"trona/model/modeltest"
	"trona/testdata"
)

// joinQKV writes a GGUF file again with q, k and v of a layer, and their biases, in one
// tensor each. With drop the last row of those is missing.
func joinQKV(t *testing.T, path string, drop int64) string {
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	joint := filepath.Join(t.TempDir(), "joint.gguf")
	out, err := os.Create(joint)
	require.NoError(t, err)
	defer out.Close()
	w := gguf.NewWriter(out)
	for _, key := range f.Keys() {
		value, _ := f.Value(key)
		require.NoError(t, w.Set(key, value))
	}
	shapes, data, names := map[string][]int64{}, map[string][]byte{}, []string{}
	types := map[string]gguf.Type{}
	for _, x := range f.Tensors() {
		name := strings.NewReplacer("attn_q.", "attn_qkv.", "attn_k.", "attn_qkv.", "attn_v.", "attn_qkv.").Replace(x.Name)
		bytes, err := f.Data(x)
		require.NoError(t, err)
		if shapes[name] == nil {
			names, shapes[name], types[name] = append(names, name), slices.Clone(x.Shape), x.Type
		} else {
			shapes[name][0] += x.Shape[0]
		}
		data[name] = append(data[name], bytes...)
	}
	for _, name := range names {
		shape := shapes[name]
		if strings.Contains(name, "attn_qkv") {
			data[name] = data[name][:int64(len(data[name]))/shape[0]*(shape[0]-drop)]
			shape[0] -= drop
		}
		require.NoError(t, w.Add(name, types[name], shape...))
	}
	for _, name := range names {
		_, err := w.Write(data[name])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return joint
}

// TestJoint: q, k and v in one tensor are what they are in three.
func TestJoint(t *testing.T) {
	path := modeltest.GGUF(t, biased(modeltest.Tiny()))
	dev, err := cpu.Open(cpu.Options{Variant: "exact"})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	tokens := []int32{1, 5, 9, 70, 3, 3, 95}
	logits := func(path string) (rows [][]float32, parameters int64) {
		ckpt, err := model.Open(path)
		require.NoError(t, err)
		defer ckpt.Close()
		return modeltest.Logits(t, ckpt, dev, tokens, len(tokens), len(tokens)), ckpt.Parameters()
	}
	want, parameters := logits(path)
	got, same := logits(joinQKV(t, path, 0))
	require.Equal(t, want, got)
	require.Equal(t, parameters, same)
	_, err = model.Open(joinQKV(t, path, 1))
	require.ErrorContains(t, err, "blk.0.attn_qkv.weight: has shape [127 32], the configuration asks for [128 32]")
}

// TestJointFiles: GGUF files of Phi-3 and GLM-4, in which gate and up are one tensor, as q, k
// and v are, answer as the folders do.
func TestJointFiles(t *testing.T) {
	dev, err := cpu.Open(cpu.Options{Variant: "exact"})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	for _, name := range []string{"phi3", "phi3-partial", "glm", "glm4"} {
		folder, path := testdata.Path(t, "models", "family", name), filepath.Join(t.TempDir(), "split.gguf")
		src, err := model.Open(folder)
		require.NoError(t, err)
		defer src.Close()
		bf16, err := convert.ParseTarget("BF16")
		require.NoError(t, err)
		_, err = convert.File(t.Context(), src, path, convert.Options{Target: bf16})
		require.NoError(t, err)
		ckpt, err := model.Open(joinQKV(t, path, 0))
		require.NoError(t, err)
		defer ckpt.Close()
		require.Empty(t, ckpt.Unread)
		for _, x := range ckpt.Tensors() {
			require.NotContains(t, x.Name, "ffn_gate")
		}
		g := modeltest.ReadGolden(t, folder)
		g.Check(t, modeltest.Logits(t, ckpt, dev, g.Tokens(), 64, len(g.Prompt)), ckpt.Config.EOS, 1e-4)
	}
}
