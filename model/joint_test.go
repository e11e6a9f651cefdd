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

// phi3File writes a folder of Phi-3 as a GGUF file of that name: rows of q and k keep their
// order, and gate and up are one tensor, as q, k and v are.
func phi3File(t *testing.T, folder string) string {
	ckpt, err := model.Open(folder)
	require.NoError(t, err)
	defer ckpt.Close()
	path := filepath.Join(t.TempDir(), "phi3.gguf")
	out, err := os.Create(path)
	require.NoError(t, err)
	defer out.Close()
	w, c := gguf.NewWriter(out), &ckpt.Config
	l := c.Layers[0]
	for key, value := range map[string]any{
		"general.architecture": "phi3", "phi3.block_count": uint32(len(c.Layers)), "phi3.context_length": uint32(c.ContextLength),
		"phi3.embedding_length": uint32(c.HiddenSize), "phi3.feed_forward_length": uint32(l.FFN.Width), "phi3.rope.dimension_count": uint32(c.Rotary.Dim),
		"phi3.attention.head_count": uint32(l.Attention.Heads), "phi3.attention.head_count_kv": uint32(l.Attention.KVHeads),
		"phi3.attention.layer_norm_rms_epsilon": c.NormEps, "phi3.rope.freq_base": float32(c.Rotary.Theta), "phi3.attention.sliding_window": uint32(0),
		"tokenizer.ggml.eos_token_id": uint32(c.EOS[0]),
	} {
		require.NoError(t, w.Set(key, value))
	}
	parts, err := ckpt.Parts()
	require.NoError(t, err)
	var names []string
	rows, data := map[string][]int64{}, map[string][]byte{}
	for i := range parts {
		p := &parts[i]
		name := strings.NewReplacer("attn_q.", "attn_qkv.", "attn_k.", "attn_qkv.", "attn_v.", "attn_qkv.", "ffn_gate.", "ffn_up.").Replace(p.Name)
		m, err := ckpt.ReadPart(p)
		require.NoError(t, err)
		if rows[name] == nil {
			names, rows[name] = append(names, name), []int64{0, p.Cols}
		}
		rows[name][0] += p.Rows
		data[name] = append(data[name], m.Data...)
	}
	for _, name := range names {
		require.NoError(t, w.Add(name, gguf.BF16, rows[name]...))
	}
	for _, name := range names {
		_, err := w.Write(data[name])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return path
}

// TestPhi3File: a GGUF file of Phi-3 answers as the folder does.
func TestPhi3File(t *testing.T) {
	folder := testdata.Path(t, "models", "family", "phi3")
	ckpt, err := model.Open(phi3File(t, folder))
	require.NoError(t, err)
	defer ckpt.Close()
	require.Empty(t, ckpt.Unread)
	dev, err := cpu.Open(cpu.Options{Variant: "exact"})
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	g := modeltest.ReadGolden(t, folder)
	g.Check(t, modeltest.Logits(t, ckpt, dev, g.Tokens(), 64, len(g.Prompt)), ckpt.Config.EOS, 1e-4)
	_, err = ckpt.Parts()
	require.ErrorContains(t, err, "read only")
}
