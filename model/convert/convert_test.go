package convert_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model"
	"trona/model/convert"
	"trona/model/gguf"
	"trona/model/modeltest"
	"trona/testdata"
	"trona/tokenizer"
)

// TestFixture: a folder becomes the file that llama.cpp's library made of it,
// tensor for tensor and key for key.
func TestFixture(t *testing.T) {
	for folder, reference := range map[string]string{"llama-tiny": "llama-tiny-F16.gguf", "llama-tied": "llama-tied-BF16.gguf"} {
		to := "F16"
		if strings.Contains(reference, "BF16") {
			to = "BF16"
		}
		dst, path := filepath.Join(t.TempDir(), "out.gguf"), testdata.Shared(t, "models", folder)
		src := open(t, path)
		_, err := convert.File(context.Background(), src, dst, convert.Options{
			Target: target(t, to), Name: folder,
			Tokenizer: func(w interface{ Set(string, any) error }) error {
				return tokenizer.ToGGUF(w, path, src.GGUFArchitecture(), src.Config.VocabSize)
			},
		})
		require.NoError(t, err)
		got, want := open(t, dst), open(t, testdata.Shared(t, "models", reference))
		require.NotNil(t, got.Config.Sampling.TopP, "of generation_config.json")
		config := got.Config
		config.Sampling = want.Config.Sampling
		slices.Sort(config.EOS)
		slices.Sort(want.Config.EOS)
		require.Equal(t, want.Config, config)
		require.Empty(t, got.Unread)
		sameTensors(t, want.GGUF(), got.GGUF())
		for _, key := range want.GGUF().Keys() {
			value, _ := want.GGUF().Value(key)
			mine, ok := got.GGUF().Value(key)
			require.True(t, ok, key)
			require.Equal(t, value, mine, key)
		}
	}
}

// sameTensors demands the same tensors in any order.
func sameTensors(t *testing.T, want, got *gguf.File) {
	byName := map[string]gguf.Tensor{}
	for _, x := range got.Tensors() {
		byName[x.Name] = x
	}
	require.Len(t, byName, len(want.Tensors()))
	for _, x := range want.Tensors() {
		y, ok := byName[x.Name]
		require.True(t, ok, x.Name)
		require.Equal(t, x.Type, y.Type, x.Name)
		require.Equal(t, x.Shape, y.Shape, x.Name)
		a, err := want.Data(x)
		require.NoError(t, err)
		b, err := got.Data(y)
		require.NoError(t, err)
		require.True(t, bytes.Equal(a, b), x.Name)
	}
}

// TestSameType: a file in the type that it has already stays as it is, keys of
// its own and all, and parts of a split set become one.
func TestSameType(t *testing.T) {
	for source, to := range map[string]string{"llama-tied-F32.gguf": "F32", "nas-super-Q8_0-00001-of-00003.gguf": "Q8_0"} {
		ckpt, result := file(t, testdata.Shared(t, "models", source), to)
		require.Zero(t, result.Requantised)
		want := open(t, testdata.Shared(t, "models", source)).GGUF()
		sameTensors(t, want, ckpt.GGUF())
		for _, key := range want.Keys() {
			if strings.HasPrefix(key, "split.") {
				require.False(t, ckpt.GGUF().Has(key), key)
				continue
			}
			value, _ := want.Value(key)
			got, _ := ckpt.GGUF().Value(key)
			require.Equal(t, value, got, key)
		}
	}
}

// TestRequantised: matrices that were quantised before are counted.
func TestRequantised(t *testing.T) {
	_, result := file(t, testdata.Shared(t, "models", "llama-tiny-Q4_0.gguf"), "Q8_0")
	require.Equal(t, 2*7+2, result.Requantised)
	_, result = file(t, testdata.Shared(t, "models", "llama-tiny-fp8"), "BF16")
	require.Equal(t, 2*7, result.Requantised, "embedding and output are bf16")
}

// TestTypes: which tensor gets which type.
func TestTypes(t *testing.T) {
	types := func(source, to string) map[string]string {
		list := map[string]string{}
		ckpt, _ := file(t, testdata.Shared(t, "models", source), to)
		for _, x := range ckpt.Tensors() {
			list[x.Name] = x.Type
		}
		return list
	}
	got := types("llama-tiny", "q4_0")
	require.Equal(t, "Q6_K", got["output.weight"])
	require.Equal(t, "Q4_0", got["token_embd.weight"])
	require.Equal(t, "Q4_0", got["blk.1.attn_v.weight"])
	require.Equal(t, "F32", got["blk.1.attn_norm.weight"])
	require.Equal(t, "F32", got["rope_freqs.weight"])
	got = types("llama-tied", "Q4_K_S")
	require.Equal(t, "Q8_0", got["token_embd.weight"], "rows of 128; it is the output too")
	require.Equal(t, "Q5_0", got["blk.0.attn_q.weight"], "rows of 128")
	require.Equal(t, "Q4_K", got["blk.0.attn_output.weight"], "rows of 512")
	require.Equal(t, "Q5_0", got["blk.0.ffn_down.weight"], "rows of 192")
	// Five layers have an FFN: the third and the last get more.
	got = types("nas-super", "Q4_K")
	for name, want := range map[string]string{
		"blk.0.ffn_down.weight": "Q4_K", "blk.1.ffn_down.weight": "Q4_K", "blk.2.ffn_down.weight": "Q6_K",
		"blk.3.ffn_down.weight": "Q4_K", "blk.7.ffn_down.weight": "Q6_K", "blk.3.attn_output.weight": "Q4_K",
	} {
		require.Equal(t, want, got[name], name)
	}
	for name, want := range map[string]string{"Q3_K_M": "Q4_K", "Q3_K_S": "Q3_K", "Q2_K": "Q3_K", "IQ4_XS": "IQ4_XS"} {
		got := types("nas-super", name)
		require.Equal(t, want, got["blk.1.ffn_down.weight"], name)
		require.Equal(t, "Q6_K", got["output.weight"], name)
	}
	require.Equal(t, "IQ4_NL", types("llama-tied", "Q2_K")["blk.0.attn_q.weight"], "rows of 128")
	for _, name := range convert.Targets() {
		require.Equal(t, name, target(t, strings.ToLower(name)).Name)
	}
	_, err := convert.ParseTarget("IQ3_S")
	require.ErrorContains(t, err, "Q4_K_M")
}

// TestOddRows: rows that divide into no block become F16.
func TestOddRows(t *testing.T) {
	s := modeltest.Tiny()
	s.Layers = s.Layers[:1]
	s.Layers[0].FFN = &model.FFN{Width: 40}
	ckpt, _ := file(t, modeltest.Folder(t, s), "Q8_0")
	for _, x := range ckpt.Tensors() {
		switch {
		case len(x.Shape) == 1:
			require.Equal(t, "F32", x.Type, x.Name)
		case x.Name == "blk.0.ffn_down.weight":
			require.Equal(t, "F16", x.Type, x.Name)
		default:
			require.Equal(t, "Q8_0", x.Type, x.Name)
		}
	}
}

// TestSameEverywhere: the number of threads does not show in the file.
func TestSameEverywhere(t *testing.T) {
	src := open(t, testdata.Shared(t, "models", "nas-super"))
	var files [2]bytes.Buffer
	var last int64
	for i, threads := range []int{1, 5} {
		_, err := convert.Write(context.Background(), &files[i], src, convert.Options{
			Target: target(t, "Q4_K_M"), Threads: threads,
			Progress: func(done, total int64) {
				require.LessOrEqual(t, done, total)
				last = total - done
			},
		})
		require.NoError(t, err)
		require.Zero(t, last, "progress ends at the end")
	}
	require.True(t, bytes.Equal(files[0].Bytes(), files[1].Bytes()))
}

// yarnFolder is a tiny model whose context was stretched.
func yarnFolder(t *testing.T, scaling string) string {
	folder := modeltest.Folder(t, modeltest.Tiny())
	path := filepath.Join(folder, "config.json")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	text = append(bytes.TrimRight(text, "} \n"), `, "rope_scaling": `+scaling+"}"...)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return folder
}

// TestYarn: a file has the frequencies of the folder, and its scale.
func TestYarn(t *testing.T) {
	for _, scaling := range []string{
		`{"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 64}`,
		`{"type": "yarn", "factor": 8, "beta_fast": 24, "beta_slow": 2, "mscale": 1.0, "mscale_all_dim": 0.5}`,
		`{"rope_type": "yarn", "factor": 2, "attention_factor": 0.5}`,
	} {
		src := open(t, yarnFolder(t, scaling))
		path := filepath.Join(t.TempDir(), "out.gguf")
		_, err := convert.File(t.Context(), src, path, convert.Options{
			Target: target(t, "Q8_0"), Tokenizer: func(interface{ Set(string, any) error }) error { return nil },
		})
		require.NoError(t, err)
		want, got := src.Config.Rotary, open(t, path).Config.Rotary
		require.Equal(t, "yarn", got.Scaling)
		require.NotEqual(t, 1.0, want.Scale)
		require.InEpsilon(t, want.Scale, got.Scale, 1e-6)
		require.InEpsilonSlice(t, want.Frequencies(), got.Frequencies(), 1e-6)
	}
}

// TestRefused: what cannot be written is an error, and leaves nothing behind.
func TestRefused(t *testing.T) {
	linear := modeltest.Tiny()
	linear.Layers[1].FFN = &model.FFN{Linear: true}
	ends := modeltest.Tiny()
	ends.EOS = []int32{3, 4, 5, 6}
	broken := modeltest.Folder(t, modeltest.Tiny())
	poison(t, filepath.Join(broken, "model.safetensors"))
	fractional := yarnFolder(t, `{"rope_type": "yarn", "factor": 4, "truncate": false}`)
	stopped, stop := context.WithCancel(context.Background())
	stop()
	there := filepath.Join(t.TempDir(), "there.gguf")
	require.NoError(t, os.WriteFile(there, []byte("precious"), 0o600))
	for name, c := range map[string]struct {
		ctx         context.Context
		source, dst string
		tokenizer   error
		want        string
	}{
		"a linear FFN":      {source: modeltest.Folder(t, linear), want: "mlp.linear_mlp"},
		"pairs in part":     {source: fractional, want: "truncate"},
		"too many ends":     {source: modeltest.Folder(t, ends), want: "end token 6"},
		"not a number":      {source: broken, want: "NaN"},
		"stopped":           {ctx: stopped, source: modeltest.Folder(t, modeltest.Tiny()), want: "canceled"},
		"file exists":       {source: modeltest.Folder(t, modeltest.Tiny()), dst: there, want: "exists"},
		"no folder":         {source: modeltest.Folder(t, modeltest.Tiny()), dst: filepath.Join(t.TempDir(), "a", "b"), want: "no such"},
		"no tokenizer keys": {source: modeltest.Folder(t, modeltest.Tiny()), tokenizer: io.ErrUnexpectedEOF, want: "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.ctx == nil {
				c.ctx = context.Background()
			}
			folder := t.TempDir()
			if c.dst == "" {
				c.dst = filepath.Join(folder, "out.gguf")
			}
			_, err := convert.File(c.ctx, open(t, c.source), c.dst, convert.Options{
				Target:    target(t, "Q8_0"),
				Tokenizer: func(interface{ Set(string, any) error }) error { return c.tokenizer },
			})
			require.ErrorContains(t, err, c.want)
			left, err := os.ReadDir(folder)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
	data, err := os.ReadFile(there)
	require.NoError(t, err)
	require.Equal(t, "precious", string(data))
}

// TestFileTakenWhileWriting: a file that got the name meanwhile stays.
func TestFileTakenWhileWriting(t *testing.T) {
	src := open(t, modeltest.Folder(t, modeltest.Tiny()))
	folder := t.TempDir()
	dst := filepath.Join(folder, "out.gguf")
	_, err := convert.File(context.Background(), src, dst, convert.Options{
		Target:   target(t, "F32"),
		Progress: func(int64, int64) { require.NoError(t, os.WriteFile(dst, []byte("precious"), 0o600)) },
	})
	require.ErrorIs(t, err, os.ErrExist)
	data, err := os.ReadFile(dst)
	require.NoError(t, err)
	require.Equal(t, "precious", string(data))
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

// poison makes the last bf16 number of a file NaN.
func poison(t *testing.T, path string) {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	nan := uint16(math.Float32bits(float32(math.NaN())) >> 16)
	binary.LittleEndian.PutUint16(data[len(data)-2:], nan)
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

// TestFileCutWhileWriting: a source that is cut short while it is read is an error too.
func TestFileCutWhileWriting(t *testing.T) {
	s := modeltest.Tiny()
	s.Vocab = 40_000 // the first tensor is written in several pieces
	for _, threads := range []int{1, 2} {
		folder := modeltest.Folder(t, s)
		src := open(t, folder)
		_, err := convert.Write(context.Background(), io.Discard, src, convert.Options{
			Target: target(t, "F32"), Threads: threads,
			Progress: func(int64, int64) { require.NoError(t, os.Truncate(filepath.Join(folder, "model.safetensors"), 0)) },
		})
		require.ErrorContains(t, err, "the file changed while it was read")
	}
}

// TestNoRoom: what is larger than the disk is refused before its weights are read.
func TestNoRoom(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skipf("%s has no call that tells the room of a disk", runtime.GOOS)
	}
	shape, err := os.ReadFile(testdata.Path(t, "shapes", "llama-8b", "config.json"))
	require.NoError(t, err)
	folder, dst := t.TempDir(), t.TempDir()
	large := strings.NewReplacer(`"intermediate_size": 14336`, `"intermediate_size": 4194304`, `"num_hidden_layers": 32`, `"num_hidden_layers": 1000`).Replace(string(shape))
	require.NotEqual(t, string(shape), large)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.json"), []byte(large), 0o600))
	src, err := model.OpenRandom(folder, nil)
	require.NoError(t, err)
	defer src.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	_, err = convert.File(ctx, src, filepath.Join(dst, "out.gguf"), convert.Options{Target: target(t, "F32"), Progress: func(int64, int64) { stop() }})
	require.ErrorContains(t, err, dst+" has room for ")
	left, err := os.ReadDir(dst)
	require.NoError(t, err)
	require.Empty(t, left)
}
