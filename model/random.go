package model

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"sync"
)

// OpenRandom opens a checkpoint of random weights in the shape that the
// config.json of a folder describes: BF16, matrices normal with a deviation of
// 1/√hidden, norms 1. It is for measuring speed and planning memory where the
// weights are not at hand; one tensor's numbers are the beginning of any other's.
func OpenRandom(dir string) (*Checkpoint, error) {
	f, err := readFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	if f.quantization != nil {
		return nil, &ConfigError{File: dir, Field: "quantization_config", Message: "random weights are in bf16"}
	}
	s := &randomSource{deviation: 1 / math.Sqrt(float64(f.config.HiddenSize))}
	most := int64(0)
	for _, p := range new(weights).parts(&f.config, &hfNames) {
		shape := []int64{p.rows, p.cols}
		if p.vector != nil {
			shape = shape[1:]
		}
		bytes := 2 * count(shape)
		s.list = append(s.list, TensorInfo{Name: p.name + ".weight", Type: "BF16", Shape: shape, Bytes: bytes})
		most = max(most, bytes)
	}
	s.numbers = sync.OnceValue(func() []byte { return s.normal(most) })
	return f.checkpoint(dir, s)
}

// randomSource holds the numbers of its largest tensor, which serve all.
type randomSource struct {
	list      []TensorInfo
	deviation float64
	numbers   func() []byte
}

func (s *randomSource) tensors() []TensorInfo { return s.list }

func (s *randomSource) data(i int) ([]byte, error) {
	t := &s.list[i]
	if len(t.Shape) > 1 {
		return s.numbers()[:t.Bytes:t.Bytes], nil
	}
	ones := make([]byte, 0, t.Bytes)
	for range t.Bytes / 2 {
		ones = binary.LittleEndian.AppendUint16(ones, 0x3f80)
	}
	return ones, nil
}

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

// normal returns n bytes of numbers, which repeat after a while: a period that
// is odd leaves no two rows alike.
func (s *randomSource) normal(n int64) []byte {
	const period = 2 * (1<<20 + 7)
	rng := rand.New(rand.NewPCG(1, 1))
	data := make([]byte, n)
	done := min(n, period)
	for at := int64(0); at < done; at += 2 {
		binary.LittleEndian.PutUint16(data[at:], uint16(math.Float32bits(float32(s.deviation*rng.NormFloat64()))>>16))
	}
	for done < n {
		done += int64(copy(data[done:], data[:done]))
	}
	return data
}
