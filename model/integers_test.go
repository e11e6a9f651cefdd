package model

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/quant"
)

// integerPart is the weight of these tests.
func integerPart() part {
	return part{name: "m", rows: 40, cols: 96, weight: new(kernels.Weight)}
}

// gptqConfig is a quantisation that tests change.
func gptqConfig(algo string, bits int, group int64) *quantization {
	q := newQuantization()
	q.algo, q.bits, q.group, q.symmetric, q.zeroLess = algo, bits, group, true, algo == "gptq"
	return q
}

func integerTensor(name, typ string, shape ...int64) TensorInfo {
	return TensorInfo{Name: "m." + name, Type: typ, Shape: shape}
}

func TestIntegerForms(t *testing.T) {
	tensor := integerTensor
	gptq := func(bits, groups int64) []TensorInfo {
		return []TensorInfo{tensor("qweight", "I32", 96*bits/32, 40), tensor("qzeros", "I32", groups, 40*bits/32), tensor("scales", "F16", groups, 40), tensor("g_idx", "I32", 96)}
	}
	awq := []TensorInfo{tensor("qweight", "I32", 96, 5), tensor("qzeros", "I32", 3, 5), tensor("scales", "F16", 3, 40)}
	packed := func(bits int64, more ...TensorInfo) []TensorInfo {
		return append(more, tensor("weight_packed", "I32", 40, 96*bits/32), tensor("weight_shape", "I64", 2))
	}
	asymmetric, mixed := gptqConfig("gptq", 4, 32), gptqConfig("gptq", 4, 64)
	asymmetric.symmetric, mixed.mixed = false, true
	for name, tc := range map[string]struct {
		quant   *quantization
		tensors []TensorInfo
		typ     kernels.DType
		order   quant.Order
		group   int64
	}{
		"gptq":        {gptqConfig("gptq", 4, 32), gptq(4, 3), kernels.Q4_0, quant.GPTQ, 32},
		"asymmetric":  {asymmetric, gptq(4, 3), kernels.Q4_1, quant.GPTQ, 32},
		"part group":  {gptqConfig("gptq", 4, 64), gptq(4, 2), kernels.Q4_0, quant.GPTQ, 64},
		"one group":   {gptqConfig("gptq", 4, math.MaxInt64), gptq(4, 1), kernels.Q4_0, quant.GPTQ, 96},
		"no index":    {gptqConfig("gptq", 4, 128), gptq(4, 1)[:3], kernels.Q4_0, quant.GPTQ, 96},
		"gptq 8":      {gptqConfig("gptq", 8, 32), gptq(8, 3), kernels.Q8_0, quant.GPTQ, 32},
		"own bits":    {mixed, gptq(8, 2), kernels.Q8_0, quant.GPTQ, 64},
		"own groups":  {mixed, gptq(4, 3), kernels.Q4_0, quant.GPTQ, 32},
		"zero bias":   {gptqConfig("gptq", 4, 32), append(gptq(4, 3), tensor("bias", "F16", 40)), kernels.Q4_0, quant.GPTQ, 32},
		"awq":         {gptqConfig("awq", 4, 32), awq, kernels.Q4_0, quant.AWQ, 32},
		"packed":      {newQuantization(), packed(4, tensor("weight_scale", "BF16", 40, 3)), kernels.Q4_0, quant.Columns, 32},
		"rows":        {newQuantization(), packed(4, tensor("weight_scale", "F32", 40, 1)), kernels.Q4_0, quant.Columns, 96},
		"whole":       {newQuantization(), packed(8, tensor("weight_scale", "F16", 1)), kernels.Q8_0, quant.Columns, 96},
		"with zeros":  {newQuantization(), packed(4, tensor("weight_scale", "BF16", 40, 3), tensor("weight_zero_point", "I32", 5, 3)), kernels.Q4_1, quant.Columns, 32},
		"with index":  {newQuantization(), packed(4, tensor("weight_scale", "BF16", 40, 3), tensor("weight_g_idx", "I32", 96)), kernels.Q4_0, quant.Columns, 32},
		"bytes":       {newQuantization(), []TensorInfo{tensor("weight", "I8", 40, 96), tensor("weight_scale", "BF16", 40, 1)}, kernels.Q8_0, quant.Bytes, 96},
		"bytes, zero": {newQuantization(), []TensorInfo{tensor("weight", "I8", 40, 96), tensor("weight_scale", "F32"), tensor("weight_zero_point", "I8")}, kernels.Q8_0, quant.Bytes, 96},
	} {
		t.Run(name, func(t *testing.T) {
			p := integerPart()
			f, err := newFinder("f", append(tc.tensors, tensor("input_zero_point", "I8", 1)), tc.quant)
			require.NoError(t, err)
			s, err := f.hf(&p)
			require.NoError(t, err)
			require.Equal(t, kernels.Matrix{Type: tc.typ, Rows: 40, Cols: 96}, s.matrix)
			require.Equal(t, tc.order, s.integers.order)
			require.Equal(t, tc.group, s.integers.group)
			require.NoError(t, f.rest())
		})
	}
	scale, shape := tensor("weight_scale", "BF16", 40, 3), tensor("weight_shape", "I64", 2)
	ordered := gptqConfig("gptq", 4, 32)
	ordered.ordered = true
	without := func(list []TensorInfo, at int) []TensorInfo { return slices.Delete(slices.Clone(list), at, at+1) }
	with := func(list []TensorInfo, at int, x TensorInfo) []TensorInfo {
		list = slices.Clone(list)
		list[at] = x
		return list
	}
	for name, tc := range map[string]struct {
		field   string
		quant   *quantization
		tensors []TensorInfo
	}{
		"bits":           {"m.qweight", gptqConfig("gptq", 4, 32), gptq(8, 3)},
		"three bits":     {"m.weight_packed", newQuantization(), []TensorInfo{tensor("weight_packed", "I32", 40, 9), scale, shape}},
		"no scales":      {"m.scales", gptqConfig("gptq", 4, 32), without(gptq(4, 3), 2)},
		"no zeros":       {"m.qzeros", gptqConfig("gptq", 4, 32), without(gptq(4, 3), 1)},
		"no order":       {"m.g_idx", ordered, without(gptq(4, 3), 3)},
		"groups":         {"m.scales", gptqConfig("gptq", 4, 32), gptq(4, 2)},
		"own groups":     {"m.scales", mixed, gptq(4, 6)},
		"own bits":       {"m.qweight", mixed, gptq(2, 2)},
		"zeros":          {"m.qzeros", gptqConfig("gptq", 4, 32), with(gptq(4, 3), 1, tensor("qzeros", "I32", 3, 6))},
		"scale type":     {"m.scales", gptqConfig("gptq", 4, 32), with(gptq(4, 3), 2, tensor("scales", "I32", 3, 40))},
		"index":          {"m.g_idx", gptqConfig("gptq", 4, 32), with(gptq(4, 3), 3, tensor("g_idx", "I32", 95))},
		"other order":    {"m.qweight", gptqConfig("awq", 4, 32), gptq(4, 3)},
		"gptq for awq":   {"m.qweight", gptqConfig("gptq", 4, 32), awq},
		"of another":     {"m.qweight", newQuantization(), gptq(4, 3)},
		"of none":        {"m.qweight", nil, gptq(4, 3)},
		"packed rows":    {"m.weight_packed", newQuantization(), []TensorInfo{tensor("weight_packed", "I32", 41, 12), scale, shape}},
		"packed scales":  {"m.weight_scale", newQuantization(), packed(4, tensor("weight_scale", "BF16", 40, 5))},
		"small groups":   {"m.weight_scale", newQuantization(), packed(4, tensor("weight_scale", "BF16", 40, 6))},
		"packed no more": {"m.weight_scale", newQuantization(), packed(4)},
		"packed zeros":   {"m.weight_zero_point", newQuantization(), packed(4, scale, tensor("weight_zero_point", "I8", 40, 3))},
		"no shape":       {"m.weight_shape", newQuantization(), []TensorInfo{tensor("weight_packed", "I32", 40, 12), scale}},
		"shape":          {"m.weight_shape", newQuantization(), []TensorInfo{tensor("weight_packed", "I32", 40, 12), scale, tensor("weight_shape", "I64", 3)}},
		"bytes":          {"m.weight", newQuantization(), []TensorInfo{tensor("weight", "I8", 96, 40), scale}},
		"left out":       {"m.weight_packed", &quantization{names: map[string]bool{"m": true}}, packed(4, scale)},
	} {
		t.Run(name, func(t *testing.T) {
			p := integerPart()
			f, err := newFinder("f", tc.tensors, tc.quant)
			require.NoError(t, err)
			_, err = f.hf(&p)
			requireTensor(t, err, tc.field)
		})
	}
	for name, p := range map[string]part{
		"rows":    {name: "m", rows: 36, cols: 96, weight: new(kernels.Weight)},
		"columns": {name: "m", rows: 40, cols: 80, weight: new(kernels.Weight)},
	} {
		f, err := newFinder("f", []TensorInfo{
			tensor("qweight", "I32", p.cols/8, p.rows), tensor("qzeros", "I32", (p.cols+31)/32, p.rows/8), tensor("scales", "F16", (p.cols+31)/32, p.rows),
		}, gptqConfig("gptq", 4, 32))
		require.NoError(t, err)
		_, err = f.hf(&p)
		requireTensor(t, err, "m.qweight")
		require.ErrorContains(t, err, "do not divide", name)
	}
}

// TestIntegerData: what data must say, which is found out when it is read.
func TestIntegerData(t *testing.T) {
	words := func(n int, w uint32) (b []byte) {
		for range n {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	halves := func(n int) (b []byte) {
		for range n {
			b = binary.LittleEndian.AppendUint16(b, 0x3c00) // 1
		}
		return b
	}
	index := func(group int) (b []byte) {
		for c := range 96 {
			b = binary.LittleEndian.AppendUint32(b, uint32(c/group))
		}
		return b
	}
	put := func(b []byte, at int, w uint32) []byte {
		binary.LittleEndian.PutUint32(b[at:], w)
		return b
	}
	gptq := func() map[string][]byte {
		return map[string][]byte{
			"qweight": words(12*40, 0x76543210), "qzeros": words(3*5, 0x77777777), "scales": halves(3 * 40), "g_idx": index(32), "bias": make([]byte, 80),
		}
	}
	packed := func() map[string][]byte {
		return map[string][]byte{
			"weight_packed": words(12*40, 0x76543210), "weight_scale": halves(3 * 40), "weight_g_idx": index(32),
			"weight_shape": binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, 40), 96),
		}
	}
	infos := []TensorInfo{
		integerTensor("qweight", "I32", 12, 40), integerTensor("qzeros", "I32", 3, 5), integerTensor("scales", "F16", 3, 40), integerTensor("g_idx", "I32", 96),
		integerTensor("bias", "F16", 40), integerTensor("weight_packed", "I32", 40, 12), integerTensor("weight_scale", "F16", 40, 3),
		integerTensor("weight_g_idx", "I32", 96), integerTensor("weight_shape", "I64", 2),
	}
	read := func(t *testing.T, data map[string][]byte) (*kernels.Matrix, error) {
		var list []TensorInfo
		var source memory
		for _, x := range infos {
			if b := data[x.Name[2:]]; b != nil {
				list, source = append(list, x), append(source, b)
			}
		}
		f, err := newFinder("f", list, gptqConfig("gptq", 4, 32))
		require.NoError(t, err)
		p := integerPart()
		s, err := f.hf(&p)
		require.NoError(t, err)
		require.NoError(t, f.rest())
		return (&Checkpoint{Path: "f", source: source, tensors: list}).read(s)
	}
	for _, data := range []map[string][]byte{gptq(), packed()} {
		m, err := read(t, data)
		require.NoError(t, err)
		row := make([]float32, 96)
		quant.Row(row, m, 39)
		for c, v := range row {
			require.Equal(t, float32(c%8-8), v)
		}
	}
	unset := packed()
	unset["weight_g_idx"] = words(96, math.MaxUint32)
	_, err := read(t, unset)
	require.NoError(t, err, "an index of -1 is none")
	for name, tc := range map[string]struct {
		field  string
		data   map[string][]byte
		change func(data map[string][]byte)
	}{
		"order":           {"m.g_idx", gptq(), func(d map[string][]byte) { put(d["g_idx"], 4*40, 0) }},
		"beyond":          {"m.g_idx", gptq(), func(d map[string][]byte) { put(d["g_idx"], 4*95, 3) }},
		"below":           {"m.g_idx", gptq(), func(d map[string][]byte) { put(d["g_idx"], 0, math.MaxUint32) }},
		"other group":     {"m.g_idx", gptq(), func(d map[string][]byte) { d["g_idx"] = index(64) }},
		"not symmetric":   {"m.qzeros", gptq(), func(d map[string][]byte) { put(d["qzeros"], 8, 0x77777767) }},
		"no number":       {"m.scales", gptq(), func(d map[string][]byte) { d["scales"][7] = 0x7e }},
		"bias":            {"m.bias", gptq(), func(d map[string][]byte) { d["bias"][79] = 1 }},
		"packed order":    {"m.weight_g_idx", packed(), func(d map[string][]byte) { put(d["weight_g_idx"], 4*40, 0) }},
		"shape":           {"m.weight_shape", packed(), func(d map[string][]byte) { d["weight_shape"][0]++ }},
		"infinite packed": {"m.weight_scale", packed(), func(d map[string][]byte) { d["weight_scale"][1] = 0x7c }},
	} {
		t.Run(name, func(t *testing.T) {
			tc.change(tc.data)
			_, err := read(t, tc.data)
			requireTensor(t, err, tc.field)
		})
	}
}
