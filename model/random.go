package model

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"

	"trona/kernels"
	"trona/model/quant"
)

// OpenRandom opens a checkpoint of random weights in the shape that the
// config.json of a folder describes: matrices normal with a deviation of
// 1/√hidden, norms 1. types chooses what each part is stored in, which
// quant.CanEncode must know; nil: BF16. It is for measuring speed and planning
// memory where the weights are not at hand; one tensor's numbers are the
// beginning of any other's of its type.
func OpenRandom(dir string, types func(c *Config, parts []Part) []kernels.DType) (*Checkpoint, error) {
	f, err := readFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	if f.quantization != nil {
		return nil, &ConfigError{File: dir, Field: "quantization_config", Message: "random weights have a type of their own"}
	}
	here, there := new(weights).parts(&f.config, &hfNames), new(weights).parts(&f.config, &ggufNames)
	parts, chosen := make([]Part, len(there)), make([]kernels.DType, len(there))
	for i, p := range there {
		parts[i] = Part{Name: p.name + ".weight", Rows: p.rows, Cols: p.cols, Vector: p.vector != nil}
		chosen[i] = kernels.BF16
	}
	if types != nil {
		chosen = types(&f.config, parts)
	}
	s := &randomSource{deviation: 1 / math.Sqrt(float64(f.config.HiddenSize)), most: map[kernels.DType]int64{}, numbers: map[kernels.DType][]byte{}}
	for i, p := range parts {
		t := TensorInfo{Name: here[i].name + ".weight", Type: chosen[i].String(), Shape: []int64{p.Rows, p.Cols}, Bytes: p.Rows * chosen[i].RowBytes(p.Cols)}
		if p.Vector {
			t.Shape = t.Shape[1:]
		} else {
			s.most[chosen[i]] = max(s.most[chosen[i]], t.Bytes)
		}
		s.list, s.types = append(s.list, t), append(s.types, chosen[i])
	}
	return f.checkpoint(dir, s)
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
		ones := make([]float32, t.Shape[0])
		for j := range ones {
			ones[j] = 1
		}
		data := make([]byte, t.Bytes)
		return data, quant.Encode(data, typ, ones)
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
	if err := quant.Encode(period, t, x); err != nil {
		return nil, err
	}
	data := make([]byte, s.most[t])
	for done := copy(data, period); done < len(data); {
		done += copy(data[done:], data[:done]) // a period's multiple, but for the end
	}
	return data, nil
}
