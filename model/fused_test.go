package model_test

import (
	"encoding/binary"
	"encoding/json"
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
	"trona/model/safetensors"
	"trona/testdata"
)

// joinQKV writes a GGUF file again with q, k and v of a layer, and their biases, in one
// tensor each. With drop the last row of those is missing.
func joinQKV(t *testing.T, path string, drop int64) string {
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	fused := filepath.Join(t.TempDir(), "fused.gguf")
	out, err := os.Create(fused)
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
	return fused
}

// TestFused: q, k and v in one tensor are what they are in three.
func TestFused(t *testing.T) {
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

// TestFusedFiles: GGUF files of Phi-3 and GLM-4, in which gate and up are one tensor, as q, k
// and v are, answer as the folders do.
func TestFusedFiles(t *testing.T) {
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
		g := modeltest.ReadContinuation(t, folder)
		g.Check(t, modeltest.Logits(t, ckpt, dev, g.Tokens(), 64, len(g.Prompt)), ckpt.Config.EOS, 1e-4)
	}
}

// joinFolder writes a folder again, with the tensors of q, k and v in one, and those of gate and
// up.
func joinFolder(t *testing.T, folder string) string {
	files, err := safetensors.Open(folder)
	require.NoError(t, err)
	defer files.Close()
	byName := map[string]safetensors.Tensor{}
	for _, x := range files.Tensors() {
		byName[x.Name] = x
	}
	header, data := map[string]any{}, []byte(nil)
	for _, x := range files.Tensors() {
		name, list := x.Name, []safetensors.Tensor{x}
		for first, more := range map[string][]string{"q_proj": {"k_proj", "v_proj", "qkv_proj"}, "gate_proj": {"up_proj", "gate_up_proj"}} {
			if !strings.Contains(x.Name, first) {
				continue
			}
			for _, word := range more {
				name = strings.ReplaceAll(x.Name, first, word)
				if y, ok := byName[name]; ok {
					list = append(list, y)
				}
			}
		}
		if strings.Contains(name, ".k_proj") || strings.Contains(name, ".v_proj") || strings.Contains(name, ".up_proj") {
			continue // with the first
		}
		shape, whole := joinTensors(t, files, list)
		header[name] = map[string]any{"dtype": x.Type.String(), "shape": shape, "data_offsets": []int{len(data), len(data) + len(whole)}}
		data = append(data, whole...)
	}
	text, err := json.Marshal(header)
	require.NoError(t, err)
	dir := t.TempDir()
	size := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), slices.Concat(size, text, data), 0o644))
	for _, name := range []string{"config.json", "hf_quant_config.json"} {
		if config, err := os.ReadFile(filepath.Join(folder, name)); err == nil {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), config, 0o644))
		}
	}
	return dir
}

// joinTensors joins tensors row by row; GPTQ and AWQ hold rows side by side.
func joinTensors(t *testing.T, files *safetensors.Files, list []safetensors.Tensor) (shape []int64, whole []byte) {
	x := list[0]
	shape = append([]int64{}, x.Shape...) // a scalar has an empty one
	var all [][]byte
	for _, y := range list {
		data, err := files.Data(y)
		require.NoError(t, err)
		all = append(all, data)
	}
	ends := func(words ...string) bool {
		return slices.ContainsFunc(words, func(end string) bool { return strings.HasSuffix(x.Name, end) })
	}
	if len(list) == 1 || len(shape) == 0 || ends(".g_idx") { // shared
		return shape, all[0]
	}
	if ends("_shape") {
		sum := uint64(0)
		for _, data := range all {
			sum += binary.LittleEndian.Uint64(data)
		}
		return shape, append(binary.LittleEndian.AppendUint64(nil, sum), all[0][8:]...)
	}
	axis, runs := 0, int64(1)
	if ends(".qweight", ".qzeros", ".scales") {
		axis, runs = 1, shape[0]
	}
	for _, y := range list[1:] {
		shape[axis] += y.Shape[axis]
	}
	for run := range runs {
		for _, data := range all {
			size := int64(len(data)) / runs
			whole = append(whole, data[run*size:][:size]...)
		}
	}
	return shape, whole
}

// TestFusedFolders: of fused tensors with scales for rows, groups or blocks each part is what
// it is alone.
func TestFusedFolders(t *testing.T) {
	folders := map[string]func(t *testing.T) string{}
	for _, name := range []string{"awq", "gptq", "gptq-8", "gptq-asymmetric", "w4a16", "w4a16-asymmetric", "w8a8"} {
		folders[name] = func(t *testing.T) string { return testdata.Path(t, "models", "integers", name) }
	}
	for _, name := range []string{"fp8-channel", "fp8-block", "nvfp4"} {
		folders[name] = func(t *testing.T) string { return testdata.Shared(t, "models", "llama-tiny-"+name) }
	}
	folders["biases"] = func(t *testing.T) string { return testdata.Path(t, "models", "biases", "qwen2") }
	for name, folder := range folders {
		t.Run(name, func(t *testing.T) {
			apart, err := model.Open(folder(t))
			require.NoError(t, err)
			defer apart.Close()
			fused, err := model.Open(joinFolder(t, folder(t)))
			require.NoError(t, err)
			defer fused.Close()
			require.Less(t, len(fused.Tensors()), len(apart.Tensors()))
			want, err := apart.Parts()
			require.NoError(t, err)
			got, err := fused.Parts()
			require.NoError(t, err)
			for i := range want {
				a, err := apart.ReadPart(&want[i])
				require.NoError(t, err)
				b, err := fused.ReadPart(&got[i])
				require.NoError(t, err)
				require.Equal(t, a.String(), b.String())
				require.Equal(t, a.Reader(8).Rows(0, a.Rows), b.Reader(8).Rows(0, b.Rows), want[i].Name)
				require.Equal(t, a.GroupScale, b.GroupScale, want[i].Name)
				if name != "nvfp4" { // whose scale of the whole is one for all
					require.Equal(t, a.Scale, b.Scale, want[i].Name)
				}
				if a.Scale != nil {
					require.Equal(t, [2]int64{a.ScaleRows, a.ScaleCols}, [2]int64{b.ScaleRows, b.ScaleCols}, want[i].Name)
				}
			}
		})
	}
}
