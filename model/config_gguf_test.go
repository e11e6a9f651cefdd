package model

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// ggufHeader is a GGUF file whose data is a hole.
type ggufHeader struct {
	keys    map[string]any
	tensors []ggufTensor
}

type ggufTensor struct {
	name string
	typ  uint32  // ggml's number
	dims []int64 // innermost first, as the format has them
}

// Numbers of ggml's types.
const (
	ggmlF32  = 0
	ggmlQ4K  = 12
	ggmlI8   = 24
	ggmlBF16 = 30
)

func (h *ggufHeader) add(name string, typ uint32, rows, cols int64) {
	dims := []int64{cols}
	if rows != 0 {
		dims = append(dims, rows)
	}
	h.tensors = append(h.tensors, ggufTensor{name: name + ".weight", typ: typ, dims: dims})
}

// bytes returns the size of a tensor's data.
func (t ggufTensor) bytes() int64 {
	return map[uint32]kernels.DType{ggmlF32: kernels.F32, ggmlQ4K: kernels.Q4_K, ggmlI8: kernels.I8, ggmlBF16: kernels.BF16}[t.typ].RowBytes(count(t.dims))
}

func ggufString(w *bytes.Buffer, s string) {
	binary.Write(w, binary.LittleEndian, uint64(len(s)))
	w.WriteString(s)
}

// ggufValue writes the type and value of one key.
func ggufValue(w *bytes.Buffer, v any) {
	put := func(typ uint32, v any) {
		binary.Write(w, binary.LittleEndian, typ)
		binary.Write(w, binary.LittleEndian, v)
	}
	switch v := v.(type) {
	case uint32:
		put(4, v)
	case int32:
		put(5, v)
	case float32:
		put(6, v)
	case bool:
		put(7, v)
	case string:
		binary.Write(w, binary.LittleEndian, uint32(8))
		ggufString(w, v)
	case []int32:
		put(9, uint32(5))
		binary.Write(w, binary.LittleEndian, uint64(len(v)))
		binary.Write(w, binary.LittleEndian, v)
	case []bool:
		put(9, uint32(7))
		binary.Write(w, binary.LittleEndian, uint64(len(v)))
		binary.Write(w, binary.LittleEndian, v)
	case []string:
		put(9, uint32(8))
		binary.Write(w, binary.LittleEndian, uint64(len(v)))
		for _, s := range v {
			ggufString(w, s)
		}
	default:
		panic(fmt.Sprintf("no GGUF type for %T", v))
	}
}

// write writes the header and a hole of the data's size.
func (h *ggufHeader) write(t testing.TB) string {
	w := new(bytes.Buffer)
	w.WriteString("GGUF")
	binary.Write(w, binary.LittleEndian, uint32(3))
	binary.Write(w, binary.LittleEndian, uint64(len(h.tensors)))
	binary.Write(w, binary.LittleEndian, uint64(len(h.keys)))
	for _, k := range slices.Sorted(maps.Keys(h.keys)) {
		ggufString(w, k)
		ggufValue(w, h.keys[k])
	}
	offset := int64(0)
	for _, x := range h.tensors {
		ggufString(w, x.name)
		binary.Write(w, binary.LittleEndian, uint32(len(x.dims)))
		binary.Write(w, binary.LittleEndian, x.dims)
		binary.Write(w, binary.LittleEndian, x.typ)
		binary.Write(w, binary.LittleEndian, offset)
		offset += (x.bytes() + 31) &^ 31
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	start := (int64(w.Len()) + 31) &^ 31
	require.NoError(t, os.WriteFile(path, w.Bytes(), 0o600))
	if err := os.Truncate(path, start+offset); err != nil {
		t.Skipf("this file system holds no file of %d bytes: %v", offset, err)
	}
	return path
}

// llamaGGUF is a valid header of two layers, with some keys replaced; a nil
// value removes one.
func llamaGGUF(replace map[string]any) *ggufHeader {
	h := &ggufHeader{keys: map[string]any{
		"general.architecture": "llama", "llama.block_count": uint32(2), "llama.context_length": uint32(4096),
		"llama.embedding_length": uint32(256), "llama.feed_forward_length": uint32(512),
		"llama.attention.head_count": uint32(4), "llama.attention.head_count_kv": uint32(2),
		"llama.attention.layer_norm_rms_epsilon": float32(1e-5), "llama.rope.freq_base": float32(500000),
		"tokenizer.ggml.bos_token_id": uint32(1), "tokenizer.ggml.eos_token_id": uint32(2),
	}}
	for k, v := range replace {
		if v == nil {
			delete(h.keys, k)
		} else {
			h.keys[k] = v
		}
	}
	h.add("token_embd", ggmlF32, 384, 256)
	h.add("output_norm", ggmlF32, 0, 256)
	for i := range 2 {
		p := fmt.Sprintf("blk.%d.", i)
		h.add(p+"attn_norm", ggmlF32, 0, 256)
		h.add(p+"attn_q", ggmlF32, 256, 256)
		h.add(p+"attn_k", ggmlF32, 128, 256)
		h.add(p+"attn_v", ggmlF32, 128, 256)
		h.add(p+"attn_output", ggmlF32, 256, 256)
		h.add(p+"ffn_norm", ggmlF32, 0, 256)
		h.add(p+"ffn_gate", ggmlF32, 512, 256)
		h.add(p+"ffn_up", ggmlF32, 512, 256)
		h.add(p+"ffn_down", ggmlF32, 256, 512)
	}
	return h
}

func TestGGUFConfig(t *testing.T) {
	for name, tc := range map[string]struct {
		replace map[string]any
		check   func(t *testing.T, c *Checkpoint)
	}{
		"plain": {nil, func(t *testing.T, c *Checkpoint) {
			require.Equal(t, Rotary{Theta: 500000, Dim: 64, Interleaved: true}, c.Config.Rotary)
			require.True(t, c.Config.TiedEmbedding)
			require.Equal(t, 384, c.Config.VocabSize)
			require.Equal(t, []int32{2}, c.Config.EOS)
			require.Equal(t, int32(1), c.Config.BOS)
			require.Empty(t, c.Unread)
		}},
		"arrays": {map[string]any{
			"llama.attention.head_count": []int32{4, 4}, "llama.attention.head_count_kv": []int32{2, 2}, "llama.feed_forward_length": []int32{512, 512},
		}, nil},
		"linear scaling": {map[string]any{"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": float32(4)}, func(t *testing.T, c *Checkpoint) {
			require.Equal(t, "linear", c.Config.Rotary.Scaling)
			require.Equal(t, 4.0, c.Config.Rotary.Factor)
		}},
		"yarn": {map[string]any{
			"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": float32(4), "llama.rope.scaling.original_context_length": uint32(512),
			"llama.rope.scaling.attn_factor": float32(0.5), "llama.rope.scaling.yarn_ext_factor": float32(-1), "llama.rope.scaling.yarn_beta_slow": float32(2),
		}, func(t *testing.T, c *Checkpoint) {
			r := &c.Config.Rotary
			require.Equal(t, Rotary{
				Theta: 500000, Dim: 64, Interleaved: true, Scaling: "yarn", Factor: 4, OriginalContext: 512, BetaFast: 32, BetaSlow: 2, Scale: r.Scale,
			}, *r)
			require.InEpsilon(t, 0.5*1.138629436111989, r.Scale, 1e-6)
			require.Empty(t, c.Unread)
		}},
		"yarn of two scales": {map[string]any{
			"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": float32(40), "llama.rope.scaling.yarn_log_multiplier": float32(0.707),
		}, func(t *testing.T, c *Checkpoint) {
			require.InEpsilon(t, 1.0857263992561355, c.Config.Rotary.Scale, 1e-6)
			require.Equal(t, c.Config.ContextLength, c.Config.Rotary.OriginalContext)
		}},
		"yarn of its own scale": {map[string]any{
			"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": float32(40),
			"llama.rope.scaling.yarn_attn_factor": float32(0.75), "llama.rope.scaling.attn_factor": float32(2),
		}, func(t *testing.T, c *Checkpoint) {
			require.Equal(t, 1.5, c.Config.Rotary.Scale)
			require.Empty(t, c.Unread)
		}},
		"yarn of the paper's scale": {map[string]any{
			"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": float32(4), "llama.rope.scaling.yarn_attn_factor": float32(1),
		}, func(t *testing.T, c *Checkpoint) {
			require.InEpsilon(t, 1.138629436111989, c.Config.Rotary.Scale, 1e-6)
		}},
		"no scaling":  {map[string]any{"llama.rope.scaling.type": "none", "llama.rope.scaling.factor": float32(4)}, func(t *testing.T, c *Checkpoint) { require.Empty(t, c.Config.Rotary.Scaling) }},
		"no theta":    {map[string]any{"llama.rope.freq_base": nil}, func(t *testing.T, c *Checkpoint) { require.Equal(t, 10000.0, c.Config.Rotary.Theta) }},
		"no eos":      {map[string]any{"tokenizer.ggml.eos_token_id": uint32(math.MaxUint32)}, func(t *testing.T, c *Checkpoint) { require.Empty(t, c.Config.EOS) }},
		"no experts":  {map[string]any{"llama.expert_count": uint32(0)}, nil},
		"wide window": {map[string]any{"llama.attention.sliding_window": uint32(4096)}, nil},
		"window of some": {map[string]any{"llama.attention.sliding_window": uint32(512), "llama.attention.sliding_window_pattern": []bool{true, false}}, func(t *testing.T, c *Checkpoint) {
			require.Equal(t, 512, c.Config.Layers[0].Attention.Window)
			require.Equal(t, 4096, c.Config.ContextLength)
		}},
		"unknown key": {map[string]any{"llama.colour": "red"}, func(t *testing.T, c *Checkpoint) { require.Equal(t, []string{"llama.colour"}, c.Unread) }},
		"end tokens": {map[string]any{
			"tokenizer.ggml.tokens":     []string{"<s>", "a", "</s>", "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|user|>", "<|observation|>"},
			"tokenizer.ggml.token_type": []int32{3, 1, 3, 3, 3, 1, 4, 3, 3}, "tokenizer.ggml.eot_token_id": uint32(7),
		}, func(t *testing.T, c *Checkpoint) { require.Equal(t, []int32{2, 7, 3, 4, 6, 8}, c.Config.EOS) }},
		"no top k": {map[string]any{"general.sampling.top_k": int32(-1)}, func(t *testing.T, c *Checkpoint) { require.Zero(t, *c.Config.Sampling.TopK) }},
		"sampling": {map[string]any{"general.sampling.temp": float32(0.5), "general.sampling.top_k": uint32(40)}, func(t *testing.T, c *Checkpoint) {
			require.Equal(t, 0.5, *c.Config.Sampling.Temperature)
			require.Equal(t, 40, *c.Config.Sampling.TopK)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Open(llamaGGUF(tc.replace).write(t))
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, Layer{Attention: &Attention{Heads: 4, KVHeads: 2, HeadDim: 64}, FFN: &FFN{Width: 512}}, c.Config.Layers[1])
			if tc.check != nil {
				tc.check(t, c)
			}
		})
	}
}

// TestOuterDimensions: dimensions of 1 outside the others mean nothing.
func TestOuterDimensions(t *testing.T) {
	h := llamaGGUF(nil)
	for i := range h.tensors {
		h.tensors[i].dims = append(h.tensors[i].dims, 1)
	}
	c, err := Open(h.write(t))
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, 384, c.Config.VocabSize)
	h.tensors[1].dims = []int64{128, 2}
	_, err = Open(h.write(t))
	require.ErrorContains(t, err, "output_norm.weight: has shape [2 128]")
}

func TestGGUFConfigRefuses(t *testing.T) {
	for _, tc := range []struct {
		field string
		key   string
		value any
	}{
		{"general.architecture", "general.architecture", "mamba"},
		{"general.architecture", "general.architecture", nil},
		{"llama.block_count", "llama.block_count", uint32(0)},
		{"llama.block_count", "llama.block_count", uint32(1_000_000_000)},
		{"llama.block_count", "llama.block_count", nil},
		{"blk.2.attn_norm.weight", "llama.block_count", uint32(3)},
		{"blk.1.attn_norm.weight", "llama.block_count", uint32(1)},
		{"llama.embedding_length", "llama.embedding_length", uint32(0)},
		{"llama.embedding_length", "llama.embedding_length", uint32(255)},
		{"llama.embedding_length", "llama.embedding_length", "256"},
		{"llama.context_length", "llama.context_length", nil},
		{"llama.vocab_size", "llama.vocab_size", uint32(385)},
		{"llama.attention.head_count", "llama.attention.head_count", nil},
		{"llama.attention.head_count", "llama.attention.head_count", []int32{4}},
		{"llama.attention.head_count", "llama.attention.head_count", []int32{4, -4}},
		{"llama.attention.head_count_kv", "llama.attention.head_count_kv", uint32(3)},
		{"llama.attention.head_count_kv", "llama.attention.head_count", []int32{4, 0}},
		{"llama.feed_forward_length", "llama.feed_forward_length", nil},
		{"blk.0.ffn_gate.weight", "llama.feed_forward_length", uint32(513)},
		{"blk.0.attn_q.weight", "llama.attention.key_length", uint32(32)},
		{"llama.attention.value_length", "llama.attention.value_length", uint32(32)},
		{"llama.rope.dimension_count", "llama.rope.dimension_count", uint32(32)},
		{"llama.attention.key_length", "llama.attention.key_length", uint32(63)},
		{"llama.attention.layer_norm_rms_epsilon", "llama.attention.layer_norm_rms_epsilon", nil},
		{"llama.attention.layer_norm_rms_epsilon", "llama.attention.layer_norm_rms_epsilon", float32(0)},
		{"llama.rope.freq_base", "llama.rope.freq_base", float32(0)},
		{"llama.rope.freq_base", "llama.rope.freq_base", float32(math.NaN())},
		{"llama.rope.freq_base", "llama.rope.freq_base", float32(math.Inf(1))},
		{"llama.rope.freq_base", "llama.rope.freq_base", "10000"},
		{"rope_factors_short.weight", "llama.rope.scaling.type", "longrope"},
		{"llama.rope.scaling.attn_factor", "llama.rope.scaling.attn_factor", float32(2)},
		{"llama.rope.scaling.factor", "llama.rope.scaling.factor", float32(-2)},
		{"llama.expert_count", "llama.expert_count", uint32(8)},
		{"llama.logit_scale", "llama.logit_scale", float32(0.5)},
		{"llama.attention.sliding_window", "llama.attention.sliding_window", int32(-1)},
		{"llama.attention.causal", "llama.attention.causal", false},
		{"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eos_token_id", uint32(384)},
		{"tokenizer.ggml.bos_token_id", "tokenizer.ggml.bos_token_id", uint32(1 << 31)},
		{"general.sampling.top_p", "general.sampling.top_p", float32(2)},
		{"general.sampling.top_p", "general.sampling.top_p", float32(0)},
		{"general.sampling.penalty_repeat", "general.sampling.penalty_repeat", float32(0)},
	} {
		t.Run(fmt.Sprintf("%s=%v", tc.key, tc.value), func(t *testing.T) {
			path := llamaGGUF(map[string]any{tc.key: tc.value}).write(t)
			_, err := Open(path)
			var ce *ConfigError
			require.True(t, errors.As(err, &ce), "error %v", err)
			require.Equal(t, [2]string{path, tc.field}, [2]string{ce.File, ce.Field}, "%v", err)
		})
	}
}

func TestGGUFTensorsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		field  string
		change func(h *ggufHeader)
	}{
		"expert":     {"blk.0.ffn_gate_inp.weight", func(h *ggufHeader) { h.add("blk.0.ffn_gate_inp", ggmlF32, 8, 256) }},
		"missing":    {"blk.1.ffn_down.weight", func(h *ggufHeader) { h.tensors = h.tensors[:len(h.tensors)-1] }},
		"shape":      {"output.weight", func(h *ggufHeader) { h.add("output", ggmlF32, 383, 256) }},
		"vector":     {"output.weight", func(h *ggufHeader) { h.add("output", ggmlF32, 0, 256) }},
		"transposed": {"blk.1.ffn_down.weight", func(h *ggufHeader) { slices.Reverse(h.tensors[len(h.tensors)-1].dims) }},
		"divisors":   {"rope_freqs.weight", func(h *ggufHeader) { h.add("rope_freqs", ggmlF32, 0, 33) }},
	} {
		t.Run(name, func(t *testing.T) {
			h := llamaGGUF(nil)
			tc.change(h)
			_, err := Open(h.write(t))
			var ce *ConfigError
			require.True(t, errors.As(err, &ce), "error %v", err)
			require.Equal(t, tc.field, ce.Field)
		})
	}
}

// TestOneWord: a vocabulary of 1 is no dimension outside the others, and one that is missing is none of 0.
func TestOneWord(t *testing.T) {
	h := llamaGGUF(map[string]any{"tokenizer.ggml.bos_token_id": uint32(0), "tokenizer.ggml.eos_token_id": uint32(0)})
	h.tensors[0].dims = []int64{256, 1}
	c, err := Open(h.write(t))
	require.NoError(t, err)
	defer c.Close()
	require.Equal(t, 1, c.Config.VocabSize)
	h.tensors = h.tensors[1:]
	_, err = Open(h.write(t))
	require.ErrorContains(t, err, "token_embd.weight: is missing")
}

// A hole reads as zeros, and zero is no divisor: that shows when loading, for
// opening reads no data.
func TestGGUFDivisorsAreChecked(t *testing.T) {
	h := llamaGGUF(nil)
	h.add("rope_freqs", ggmlF32, 0, 32)
	c, err := Open(h.write(t))
	require.NoError(t, err)
	defer c.Close()
	_, err = Load(c, openCPU(t), LoadOptions{MaxRows: 1, MaxLogits: 1})
	var ce *ConfigError
	require.True(t, errors.As(err, &ce), "error %v", err)
	require.Equal(t, "rope_freqs.weight", ce.Field)
}

// An unfinished download can be inspected and planned; loading it fails.
func TestUnfinishedDownload(t *testing.T) {
	path := llamaGGUF(nil).write(t)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(path, info.Size()/2))
	c, err := Open(path)
	require.NoError(t, err)
	defer c.Close()
	dev := openCPU(t)
	plan, err := MakePlan(c, dev, PlanOptions{})
	require.NoError(t, err)
	require.Positive(t, plan.Weights)
	require.Len(t, c.Digest(), 64)
	_, err = Load(c, dev, LoadOptions{MaxRows: 1, MaxLogits: 1})
	require.Error(t, err)
}

// The released GGUF files of Super and Ultra, by their headers.
func TestNemotronGGUF(t *testing.T) {
	for name, want := range expectedArrays(t) {
		t.Run(name, func(t *testing.T) {
			n := len(want.Heads)
			int32s := func(list []int) []int32 {
				out := make([]int32, n)
				for i, v := range list {
					out[i] = int32(v)
				}
				return out
			}
			h := &ggufHeader{keys: map[string]any{
				"general.architecture": "deci", "deci.block_count": uint32(n), "deci.context_length": uint32(131072),
				"deci.embedding_length": uint32(want.Hidden), "deci.vocab_size": uint32(128256),
				"deci.attention.head_count": int32s(want.Heads), "deci.attention.head_count_kv": int32s(want.KV),
				"deci.feed_forward_length": int32s(want.FFN), "deci.attention.key_length": uint32(128),
				"deci.attention.value_length": uint32(128), "deci.rope.dimension_count": uint32(128),
				"deci.attention.layer_norm_rms_epsilon": float32(1e-5), "deci.rope.freq_base": float32(500000),
			}}
			d := int64(want.Hidden)
			h.add("rope_freqs", ggmlF32, 0, 64)
			h.add("token_embd", ggmlQ4K, 128256, d)
			h.add("output_norm", ggmlF32, 0, d)
			h.add("output", ggmlQ4K, 128256, d)
			for i := range n {
				p := fmt.Sprintf("blk.%d.", i)
				if q, kv := int64(want.Heads[i])*128, int64(want.KV[i])*128; q != 0 {
					h.add(p+"attn_norm", ggmlF32, 0, d)
					h.add(p+"attn_q", ggmlQ4K, q, d)
					h.add(p+"attn_k", ggmlQ4K, kv, d)
					h.add(p+"attn_v", ggmlQ4K, kv, d)
					h.add(p+"attn_output", ggmlQ4K, d, q)
				}
				if w := int64(want.FFN[i]); w != 0 {
					h.add(p+"ffn_norm", ggmlF32, 0, d)
					h.add(p+"ffn_gate", ggmlQ4K, w, d)
					h.add(p+"ffn_up", ggmlQ4K, w, d)
					h.add(p+"ffn_down", ggmlQ4K, d, w)
				}
			}
			c, err := Open(h.write(t))
			require.NoError(t, err)
			defer c.Close()
			require.Equal(t, want.Params, c.Parameters())
			plan, err := MakePlan(c, openCPU(t), PlanOptions{KVType: kernels.F16})
			require.NoError(t, err)
			require.Equal(t, want.KVSize, plan.KVBytesPerToken)
			require.InDelta(t, 144.0/256, float64(plan.Weights)/float64(want.Params), 0.03, "bytes a weight")
		})
	}
}

// TestGGUFScale: one number may stand beside a matrix; what else is called so is refused.
func TestGGUFScale(t *testing.T) {
	for name, tc := range map[string]struct {
		scale   ggufTensor
		refused string
	}{
		"of a matrix":       {scale: ggufTensor{"blk.0.attn_q.scale", ggmlF32, []int64{1}}},
		"numbers":           {ggufTensor{"blk.0.attn_q.scale", ggmlF32, []int64{2}}, "has shape [2], want one number"},
		"of no scale":       {ggufTensor{"blk.0.attn_q.scale", ggmlI8, []int64{1}}, "scales of type I8 are not supported"},
		"of a vector":       {ggufTensor{"blk.0.attn_norm.scale", ggmlF32, []int64{1}}, "is not part of this architecture"},
		"of what is absent": {ggufTensor{"blk.2.attn_q.scale", ggmlF32, []int64{1}}, "is not part of this architecture"},
	} {
		t.Run(name, func(t *testing.T) {
			h := llamaGGUF(nil)
			h.tensors = append(h.tensors, tc.scale)
			c, err := Open(h.write(t))
			if tc.refused != "" {
				require.ErrorContains(t, err, tc.scale.name+": "+tc.refused)
				return
			}
			require.NoError(t, err)
			require.NoError(t, c.Close())
		})
	}
}
