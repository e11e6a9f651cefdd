package model

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync"

	"trona/kernels"
	"trona/kernels/minifloat"
	"trona/model/quant"
)

// OpenRandom opens a checkpoint of random weights in the shape that the
// config.json of a folder describes: matrices normal with a deviation of
// 1/√hidden, norms 1, biases 0. types chooses what each part is stored in: F8E4M3, NVFP4
// or what quant.CanEncode knows; nil: BF16. It is for measuring speed and
// planning memory where the weights are not at hand; one tensor's numbers are
// the beginning of any other's of its type.
func OpenRandom(dir string, types func(c *Config, parts []Part) []kernels.DType) (*Checkpoint, error) {
	f, err := readFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	if f.quantization != nil {
		return nil, &ConfigError{File: dir, Field: "quantization_config", Message: "random weights have a type of their own"}
	}
	here, there := new(weights).parts(&f.config, cmp.Or(f.architecture.folderNames, &hfNames)), new(weights).parts(&f.config, &ggufNames)
	parts, chosen := make([]Part, len(there)), make([]kernels.DType, len(there))
	for i, p := range there {
		parts[i] = Part{Name: p.tensor(), Rows: p.rows, Cols: p.cols, Vector: p.vector != nil}
		chosen[i] = kernels.BF16
	}
	if types != nil {
		chosen = types(&f.config, parts)
	}
	s := &randomSource{deviation: 1 / math.Sqrt(float64(f.config.HiddenSize)), most: map[kernels.DType]int64{}, numbers: map[kernels.DType][]byte{}}
	for i, p := range parts {
		t := TensorInfo{Name: here[i].tensor(), Type: chosen[i].String(), Shape: []int64{p.Rows, p.Cols}, Bytes: p.Rows * chosen[i].RowBytes(p.Cols)}
		if p.Vector {
			t.Shape = t.Shape[1:]
		} else {
			s.most[chosen[i]] = max(s.most[chosen[i]], t.Bytes)
		}
		s.list, s.types = append(s.list, t), append(s.types, chosen[i])
	}
	return f.checkpoint(dir, s, (*finder).bare)
}

// LayerTypes returns types for OpenRandom: t for the matrices of layers, where
// rows divide into its blocks, BF16 for all else, as quantised checkpoints have it.
func LayerTypes(t kernels.DType) func(*Config, []Part) []kernels.DType {
	return func(_ *Config, parts []Part) []kernels.DType {
		types := make([]kernels.DType, len(parts))
		for i, p := range parts {
			types[i] = kernels.BF16
			if !p.Vector && strings.HasPrefix(p.Name, ggufNames.layer) && p.Cols%int64(t.Block()) == 0 {
				types[i] = t
			}
		}
		return types
	}
}

// randomSource holds the numbers of its largest tensor of each type, which
// serve all.
type randomSource struct {
	list      []TensorInfo
	types     []kernels.DType // of list
	deviation float64
	most      map[kernels.DType]int64 // bytes of the largest matrix

	mu      sync.Mutex // guards numbers
	numbers map[kernels.DType][]byte
}

func (s *randomSource) tensors() []TensorInfo { return s.list }

func (s *randomSource) data(i int) ([]byte, error) {
	t, typ := &s.list[i], s.types[i]
	if len(t.Shape) == 1 {
		vector := make([]float32, t.Shape[0])
		for j := range vector {
			if !strings.HasSuffix(t.Name, ".bias") {
				vector[j] = 1
			}
		}
		data := make([]byte, t.Bytes)
		return data, quant.Encode(data, typ, vector)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.numbers[typ] == nil {
		data, err := s.normal(typ)
		if err != nil {
			return nil, err
		}
		s.numbers[typ] = data
	}
	return s.numbers[typ][:t.Bytes:t.Bytes], nil
}

func (s *randomSource) release(int) {}

func (s *randomSource) readAt(i int, p []byte, offset int64) error {
	data, err := s.data(i)
	if err != nil {
		return err
	}
	if offset < 0 || offset > int64(len(data)-len(p)) {
		return io.ErrUnexpectedEOF
	}
	copy(p, data[offset:])
	return nil
}

// normal returns the numbers of a type, which repeat after a while: an odd number
// of blocks leaves no two rows alike.
func (s *randomSource) normal(t kernels.DType) ([]byte, error) {
	block := t.Block()
	x := make([]float32, (1<<20/block|1)*block)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range x {
		x[i] = float32(s.deviation * rng.NormFloat64())
	}
	period := make([]byte, t.RowBytes(int64(len(x))))
	if err := encodeRandom(period, t, x); err != nil {
		return nil, err
	}
	data := make([]byte, s.most[t])
	for done := copy(data, period); done < len(data); {
		done += copy(data[done:], data[:done]) // a period's multiple, but for the end
	}
	return data, nil
}

// encodeRandom writes numbers as a type. No factor stands beside F8E4M3 and NVFP4
// here, so that they round small numbers more than a quantiser would.
func encodeRandom(dst []byte, t kernels.DType, x []float32) error {
	switch t {
	case kernels.F8E4M3:
		for i, v := range x {
			dst[i] = minifloat.ToE4M3(v)
		}
	case kernels.NVFP4:
		block, size := t.Block(), t.BlockBytes()
		for i := range len(x) / block {
			encodeNVFP4(dst[i*size:][:size], x[i*block:][:block])
		}
	default:
		return quant.Encode(dst, t, x)
	}
	return nil
}

// encodeNVFP4 writes a block of 64 numbers (ggml block_nvfp4): the scale of each
// 16 takes the greatest magnitude to 6.
func encodeNVFP4(b []byte, x []float32) {
	for g := range 4 {
		group, top := x[16*g:][:16], 0.0
		for _, v := range group {
			top = max(top, math.Abs(float64(v)))
		}
		b[g] = max(1, minifloat.ToE4M3(float32(top/6)))
		scale := minifloat.E4M3(b[g])
		for i := range 8 {
			b[4+8*g+i] = minifloat.ToE2M1(group[i]/scale) | minifloat.ToE2M1(group[8+i]/scale)<<4
		}
	}
}
