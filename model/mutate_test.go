package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/fault"
	"trona/model/faulttest"
	"trona/model/gguf"
	"trona/testdata"
)

// requireOpens opens a checkpoint of that many bytes, or gets a typed error
// that names a field. What opens can be planned and digested.
func requireOpens(t testing.TB, what string, size int, dev Sizer, open func() (*Checkpoint, error)) {
	var c *Checkpoint
	var err error
	if n := faulttest.Allocated(func() { c, err = open() }); n > faulttest.Bound(size) {
		t.Fatalf("%s: %d bytes allocated for %d", what, n, size)
	}
	if err != nil {
		requireTyped(t, what, err)
		return
	}
	defer c.Close()
	p, err := MakePlan(c, dev, PlanOptions{})
	if err != nil || p.Weights <= 0 || p.Workspace <= 0 || len(c.Digest()) != 64 || c.Parameters() <= 0 {
		t.Fatalf("%s: plan %+v, error %v", what, p, err)
	}
}

func requireTyped(t testing.TB, what string, err error) {
	var config *ConfigError
	var file *fault.Error
	switch {
	case errors.As(err, &config) && config.File != "" && config.Message != "":
	case errors.As(err, &file) && file.Field != "":
	default:
		t.Fatalf("%s: %#v", what, err)
	}
}

// damage changes a file a little: bits, numbers that hurt, cuts, and texts.
func damage(rng *rand.Rand, data []byte, header int) []byte {
	data = slices.Clone(data)
	for range 1 + rng.IntN(2) {
		header = min(header, len(data)-8)
		if header < 8 {
			return data
		}
		at := rng.IntN(header)
		switch rng.IntN(6) {
		case 0:
			data[at] ^= 1 << rng.IntN(8)
		case 1:
			binary.LittleEndian.PutUint32(data[at:], uint32(hurtful[rng.IntN(len(hurtful))]))
		case 2:
			binary.LittleEndian.PutUint64(data[at:], hurtful[rng.IntN(len(hurtful))])
		case 3:
			data[at] = "0123456789-{}[],:\"\\en"[rng.IntN(20)]
		case 4:
			data = slices.Insert(data, at, "0123456789-{}[],:\"\\en"[rng.IntN(20)])
		case 5:
			data = slices.Delete(data, at, at+1+rng.IntN(4))
		}
	}
	return data
}

var hurtful = []uint64{
	0, 1, 2, 3, 4, 5, 8, 12, 16, 64, 255, 256, 1 << 15, 1 << 16, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 62,
	1<<63 - 1, 1 << 63, math.MaxUint64,
}

func mutations() int {
	if testing.Short() {
		return 1000
	}
	return 20_000
}

// headerBytes is a small GGUF file without data; with richKeys it has biases.
func headerBytes(t testing.TB, replace map[string]any) []byte {
	h := llamaGGUF(replace)
	if len(replace) > 0 {
		for _, part := range []string{"attn_q", "attn_output", "ffn_down"} {
			h.addBias("blk.1."+part, ggmlF32, 256)
		}
		h.addBias("blk.1.attn_k", ggmlF32, 128)
		h.addBias("blk.1.attn_v", ggmlF32, 128)
		h.addBias("blk.1.ffn_gate", ggmlF32, 512)
		h.addBias("blk.1.ffn_up", ggmlF32, 512)
	}
	return h.withoutData(t)
}

// phi3Bytes is one of Phi-3, rotated in part, with the factors of longrope.
func phi3Bytes(t testing.TB) []byte {
	h := ggufOf("phi3", map[string]any{
		"rope.dimension_count": uint32(48), "rope.scaling.original_context_length": uint32(512), "rope.scaling.attn_factor": float32(1.25),
	})
	h.tensors = slices.DeleteFunc(h.tensors, func(x ggufTensor) bool { return strings.Contains(x.name, "ffn_gate") })
	for _, x := range h.tensors {
		if strings.Contains(x.name, "ffn_up") {
			x.dims[1] *= 2
		}
	}
	h.add("rope_factors_long", ggmlF32, 0, 24)
	h.add("rope_factors_short", ggmlF32, 0, 24)
	return h.withoutData(t)
}

func (h *ggufHeader) withoutData(t testing.TB) []byte {
	data, err := os.ReadFile(h.write(t))
	require.NoError(t, err)
	f, err := gguf.Parse(data)
	require.NoError(t, err)
	end := int64(len(data))
	for _, x := range f.Tensors() {
		end -= (x.Bytes + 31) &^ 31
	}
	return data[:end]
}

func openBytes(data []byte) (*Checkpoint, error) {
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, err
	}
	return OpenGGUF(f, "x.gguf")
}

// richKeys sets what the plain header lacks.
var richKeys = map[string]any{
	"llama.attention.key_length": uint32(64), "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": float32(2),
	"llama.attention.sliding_window": uint32(8192), "llama.expert_count": uint32(0), "general.sampling.top_k": uint32(40),
	"llama.feed_forward_length": []int32{512, 512}, "tokenizer.ggml.tokens": []string{"a", "<|eot_id|>"},
	"tokenizer.ggml.token_type": []int32{1, 3},
}

func TestGGUFMutations(t *testing.T) {
	dev := openCPU(t)
	for name, data := range map[string][]byte{"plain": headerBytes(t, nil), "rich": headerBytes(t, richKeys), "phi3": phi3Bytes(t)} {
		requireOpensWell(t, data)
		check := func(what string, data []byte) {
			requireOpens(t, name+", "+what, len(data), dev, func() (*Checkpoint, error) { return openBytes(data) })
		}
		for n := range data {
			check(fmt.Sprintf("cut at %d", n), data[:n:n])
		}
		rng := rand.New(rand.NewPCG(1, 2))
		for i := range mutations() {
			check(fmt.Sprintf("mutation %d", i), damage(rng, data, len(data)))
		}
	}
}

// requireOpensWell demands that what is going to be damaged is whole.
func requireOpensWell(t *testing.T, data []byte) {
	c, err := openBytes(data)
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// The same for folders: each of the files in turn is damaged.
func TestFolderMutations(t *testing.T) {
	for _, name := range []string{"gptq", "w4a16-asymmetric"} {
		t.Run(name, func(t *testing.T) { folderMutations(t, testdata.Path(t, "models", "integers", name)) })
	}
	t.Run("nvfp4", func(t *testing.T) { folderMutations(t, testdata.Shared(t, "models", "llama-tiny-nvfp4")) })
}

func folderMutations(t *testing.T, from string) {
	dev := openCPU(t)
	names := []string{"config.json", "generation_config.json", "hf_quant_config.json", "model.safetensors"}
	dir := t.TempDir()
	size := 0
	files := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		header := len(data)
		if name == "model.safetensors" { // the data may be missing
			header = 8 + int(binary.LittleEndian.Uint64(data))
			data = data[:header]
		}
		files[name] = data
		size += header
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	require.GreaterOrEqual(t, len(files), 2)
	open := func() (*Checkpoint, error) { return Open(dir) }
	requireOpens(t, "whole", size, dev, open)
	for name, data := range files {
		path := filepath.Join(dir, name)
		check := func(what string, damaged []byte) {
			overwrite(t, path, damaged)
			requireOpens(t, name+", "+what, size+len(damaged)-len(data), dev, open)
		}
		for n := 0; n < len(data); n += max(1, len(data)/500) {
			check(fmt.Sprintf("cut at %d", n), data[:n])
		}
		rng := rand.New(rand.NewPCG(3, 4))
		for i := range mutations() / 40 {
			check(fmt.Sprintf("mutation %d", i), damage(rng, data, len(data)))
		}
		overwrite(t, path, data)
	}
}

// overwrite writes a file in place. Emptied first, as os.WriteFile does, some
// file systems would write it to the disk at once.
func overwrite(t *testing.T, path string, data []byte) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = f.Write(data)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(int64(len(data))))
	require.NoError(t, f.Close())
}

// Thousands of tensors that no architecture has are one short message.
func TestManyTensors(t *testing.T) {
	h := llamaGGUF(nil)
	for i := range 20_000 {
		h.add(fmt.Sprintf("junk.%d", i), ggmlF32, 0, 1)
	}
	_, err := Open(h.write(t))
	var ce *ConfigError
	require.ErrorAs(t, err, &ce)
	require.Equal(t, "junk.0.weight", ce.Field)
	require.Less(t, len(err.Error()), 2000)
	require.True(t, strings.HasSuffix(err.Error(), "and 19992 tensors more"), "%v", err)
}

func FuzzGGUFConfig(f *testing.F) {
	f.Add(headerBytes(f, nil))
	f.Add(headerBytes(f, richKeys))
	f.Add(phi3Bytes(f))
	dev := sizes{}
	f.Fuzz(func(t *testing.T, data []byte) {
		requireOpens(t, "file", len(data), dev, func() (*Checkpoint, error) { return openBytes(data) })
	})
}

// sizes is a device that stores weights as they are.
type sizes struct{}

func (sizes) Info() kernels.Info { return kernels.Info{StepRows: 64} }

func (sizes) ScratchBytes(*kernels.Steps) int64 { return 0 }

func (sizes) PackedBytes(m *kernels.Matrix) int64 {
	return m.Rows*m.Type.RowBytes(m.Cols) + 4*int64(len(m.Scale))
}
