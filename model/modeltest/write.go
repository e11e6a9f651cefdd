package modeltest

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"trona/model/gguf"
)

// Folder writes the model as config.json and model.safetensors, in bf16, and
// returns the folder.
func Folder(t testing.TB, s Shape) string {
	t.Helper()
	dir := t.TempDir()
	entries := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	var data []byte
	for _, x := range s.tensors(&hfNames) {
		begin := len(data)
		data = append(data, bf16(x.values)...)
		entries[x.name] = map[string]any{"dtype": "BF16", "shape": x.shape, "data_offsets": []int{begin, len(data)}}
	}
	header := marshal(t, entries)
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	write(t, filepath.Join(dir, "model.safetensors"), slices.Concat(file, header, data))
	write(t, filepath.Join(dir, "config.json"), marshal(t, s.config()))
	return dir
}

// GGUF writes the model as a GGUF file, matrices in bf16 and vectors in f32,
// and returns its path. Rows of q and k stand in the order of Folder, but are
// read as pairs (2i, 2i+1): the two are different models. Linear FFNs and norms
// of q and k have no place in the architecture "deci", which it writes.
func GGUF(t testing.TB, s Shape) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := s.writeGGUF(gguf.NewWriter(f)); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s Shape) writeGGUF(w *gguf.Writer) error {
	keys := s.keys()
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		if err := w.Set(k, keys[k]); err != nil {
			return err
		}
	}
	tensors := s.tensors(&ggufNames)
	for _, x := range tensors {
		typ := gguf.BF16
		if len(x.shape) == 1 {
			typ = gguf.F32
		}
		if err := w.Add(x.name, typ, x.shape...); err != nil {
			return err
		}
	}
	for _, x := range tensors {
		data := bf16(x.values)
		if len(x.shape) == 1 {
			data = f32(x.values)
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return w.Close()
}

// keys returns the metadata of architecture "deci".
func (s Shape) keys() map[string]any {
	var heads, kv, ffn []int32
	for _, l := range s.Layers {
		h, k, w := int32(0), int32(0), int32(0)
		if a := l.Attention; a != nil {
			h, k = int32(s.Heads), int32(a.KVHeads) // 0 where it is linear
		}
		if l.FFN != nil {
			w = int32(l.FFN.Width)
		}
		heads, kv, ffn = append(heads, h), append(kv, k), append(ffn, w)
	}
	keys := map[string]any{
		"general.architecture": "deci", "deci.block_count": uint32(len(s.Layers)), "deci.context_length": uint32(s.Context),
		"deci.embedding_length": uint32(s.Hidden), "deci.attention.head_count": heads, "deci.attention.head_count_kv": kv,
		"deci.feed_forward_length": ffn, "deci.attention.key_length": uint32(s.HeadDim), "deci.attention.value_length": uint32(s.HeadDim),
		"deci.attention.layer_norm_rms_epsilon": float32(1e-5), "deci.rope.freq_base": float32(10000),
		"deci.vocab_size": uint32(s.Vocab), "tokenizer.ggml.bos_token_id": uint32(1),
	}
	if len(s.EOS) > 0 {
		keys["tokenizer.ggml.eos_token_id"] = uint32(s.EOS[0])
	}
	return keys
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// bf16 returns the values' upper halves, which hold all of them.
func bf16(values []float32) []byte {
	b := make([]byte, 0, 2*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(v)>>16))
	}
	return b
}

func f32(values []float32) []byte {
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}
