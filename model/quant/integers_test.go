package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// number is a number of the matrix that a test packs: row, and column or group.
type number struct{ row, at int64 }

// packWords packs numbers into words of 32 bits, as `place` says: which word, and which
// number of it.
func packWords(words int64, bits int, numbers map[number]int, place func(number) (word, slot int64)) []byte {
	b := make([]byte, 4*words)
	for n, v := range numbers {
		word, slot := place(n)
		w := binary.LittleEndian.Uint32(b[4*word:])
		binary.LittleEndian.PutUint32(b[4*word:], w|uint32(v)<<(bits*int(slot)))
	}
	return b
}

// integers draws a matrix, and returns what its values are before scales are rounded:
// codes less their zeros.
func integers(rng *rand.Rand, o Order, bits int, rows, cols, group int64, zeros, less bool) (*Integers, [][]int) {
	x := &Integers{Order: o, Bits: bits, Rows: rows, Cols: cols, Group: group, ZeroLess: less}
	groups, n := (cols+group-1)/group, int64(32/bits)
	codes, zero, values := map[number]int{}, map[number]int{}, make([][]int, rows)
	for r := range rows {
		for g := range groups {
			x.Scale = append(x.Scale, float32(rng.NormFloat64()))
			zero[number{r, g}] = 1 << (bits - 1)
			if zeros {
				zero[number{r, g}] = 1 + rng.IntN(1<<bits-1)
			}
		}
		for c := range cols {
			code := rng.IntN(1 << bits)
			codes[number{r, c}] = code
			values[r] = append(values[r], code-zero[number{r, c / group}])
		}
	}
	if less {
		for at := range zero {
			zero[at]--
		}
	}
	order := [8]int64{0, 2, 4, 6, 1, 3, 5, 7} // of the rows in a word
	awq := func(r int64) int64 { return int64(slices.Index(order[:], r%8)) }
	switch o {
	case Bytes:
		x.Codes = make([]byte, rows*cols)
		for at, v := range codes {
			x.Codes[at.row*cols+at.at] = byte(v - 128)
		}
		return x, values
	case Columns:
		x.Codes = packWords(rows*cols/n, bits, codes, func(at number) (int64, int64) { return at.row*(cols/n) + at.at/n, at.at % n })
		x.Zero = packWords((rows+n-1)/n*groups, bits, zero, func(at number) (int64, int64) { return at.row/n*groups + at.at, at.row % n })
	case GPTQ:
		x.Codes = packWords(rows*cols/n, bits, codes, func(at number) (int64, int64) { return at.at/n*rows + at.row, at.at % n })
		x.Zero = packWords(rows/n*groups, bits, zero, func(at number) (int64, int64) { return at.at*(rows/n) + at.row/n, at.row % n })
	case AWQ:
		x.Codes = packWords(rows*cols/n, bits, codes, func(at number) (int64, int64) { return at.at*(rows/8) + at.row/8, awq(at.row) })
		x.Zero = packWords(rows/n*groups, bits, zero, func(at number) (int64, int64) { return at.at*(rows/8) + at.row/8, awq(at.row) })
	}
	return x, values
}

// scaleOf is the scale of a row and a group.
func scaleOf(x *Integers, r, g int64) float32 {
	if x.Order == GPTQ || x.Order == AWQ {
		return x.Scale[g*x.Rows+r]
	}
	return x.Scale[r*((x.Cols+x.Group-1)/x.Group)+g]
}

// TestIntegers: rows have the values that the definition gives them.
func TestIntegers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		order             Order
		bits              int
		rows, cols, group int64
		typ               kernels.DType
		less              bool
	}{
		{Bytes, 8, 5, 96, 96, kernels.Q8_0, false},
		{Bytes, 8, 9, 96, 32, kernels.Q8_0, false},
		{Columns, 4, 11, 96, 32, kernels.Q4_0, false},
		{Columns, 4, 11, 128, 64, kernels.Q4_1, false},
		{Columns, 8, 11, 96, 96, kernels.Q8_0, false},
		{GPTQ, 4, 24, 128, 32, kernels.Q4_0, true},
		{GPTQ, 4, 24, 128, 128, kernels.Q4_0, false},
		{GPTQ, 4, 24, 160, 64, kernels.Q4_1, true},
		{GPTQ, 4, 16, 64, 64, kernels.Q4_1, false},
		{GPTQ, 8, 12, 128, 64, kernels.Q8_0, true},
		{AWQ, 4, 24, 128, 64, kernels.Q4_1, false},
		{AWQ, 4, 16, 96, 32, kernels.Q4_0, false},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			x, values := integers(rng, c.order, c.bits, c.rows, c.cols, c.group, c.typ == kernels.Q4_1, c.less)
			m, err := x.Matrix(c.typ)
			require.NoError(t, err)
			row := make([]float32, c.cols)
			for r := range c.rows {
				Row(row, m, r)
				for at, got := range row {
					scale := scaleOf(x, r, int64(at)/c.group)
					want := float32(values[r][at]) * minifloat.F16(minifloat.ToF16(scale))
					if c.typ != kernels.Q4_1 {
						require.Equal(t, want, got, "row %d, column %d", r, at)
					} else {
						require.InDelta(t, want, got, math.Abs(float64(scale))/128, "row %d, column %d", r, at)
					}
				}
			}
			// Any rows at once, from wherever.
			size := m.Type.RowBytes(m.Cols)
			all := make([]byte, size*m.Rows)
			m.Fill(all, 0)
			for first := range m.Rows {
				for _, n := range []int64{1, 3, m.Rows - first} {
					n = min(n, m.Rows-first)
					some := make([]byte, n*size)
					m.Fill(some, first)
					require.Equal(t, all[first*size:][:n*size], some, "%d rows from %d", n, first)
				}
			}
		})
	}
}

// TestIntegerGroups: scales and zeros that no block can hold are named.
func TestIntegerGroups(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for name, c := range map[string]struct {
		order  Order
		bits   int
		typ    kernels.DType
		change func(x *Integers)
		want   GroupError
	}{
		"no number":   {Columns, 4, kernels.Q4_0, func(x *Integers) { x.Scale[2*2+1] = nan }, GroupError{Row: 2, Group: 1}},
		"infinity":    {GPTQ, 4, kernels.Q4_1, func(x *Integers) { x.Scale[1*8+2] = inf }, GroupError{Row: 2, Group: 1}},
		"too large":   {Bytes, 8, kernels.Q8_0, func(x *Integers) { x.Scale[0] = 65520 }, GroupError{}},
		"sum":         {AWQ, 4, kernels.Q4_1, func(x *Integers) { x.Scale[8], x.Zero[4] = 40000, 3 }, GroupError{Group: 1}},
		"asymmetric":  {GPTQ, 4, kernels.Q4_0, func(x *Integers) { x.Zero[1] ^= 0x10 }, GroupError{Zero: true, Row: 3}},
		"of 8 bits":   {Columns, 8, kernels.Q8_0, func(x *Integers) { x.Zero[4+3]++ }, GroupError{Zero: true, Row: 3, Group: 1}},
		"of I8 bytes": {Bytes, 8, kernels.Q8_0, func(x *Integers) { x.Zero = make([]byte, 16); x.Zero[15] = 255 }, GroupError{Zero: true, Row: 7, Group: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			x, _ := integers(rng, c.order, c.bits, 8, 64, 32, false, false)
			c.change(x)
			_, err := x.Matrix(c.typ)
			var e *GroupError
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Message)
			c.want.Message = e.Message
			require.Equal(t, c.want, *e)
		})
	}
}

// place is where the order has a code: which word, and which number of it. Bytes are words
// of four.
func (x *Integers) place(r, c int64) (word, slot int64) {
	n := int64(32 / x.Bits)
	switch x.Order {
	case GPTQ:
		return c/n*x.Rows + r, c % n
	case AWQ:
		return c*(x.Rows/8) + r/8, r%2*4 + r%8/2
	}
	return (r*x.Cols + c) / n, c % n
}

// FuzzIntegers: whatever the tensors hold, rows have the codes that stand there, or the
// group that has no scale or zero is named.
func FuzzIntegers(f *testing.F) {
	for o := range byte(4) {
		f.Add(o, byte(0), byte(2), byte(3), byte(1), []byte("some scales and codes 0123456789"))
		f.Add(o, byte(1), byte(1), byte(1), byte(0), []byte{0, 60, 0x77, 0x80})
	}
	f.Fuzz(func(t *testing.T, order, wide, rows, blocks, group byte, data []byte) {
		x := &Integers{Order: Order(order % 4), Bits: 4, Rows: 8 * int64(1+rows%4), Cols: 32 * int64(1+blocks%4)}
		if x.Order == Bytes || wide%2 == 1 && x.Order != AWQ {
			x.Bits = 8
		}
		x.Group = min(x.Cols, 32*int64(1+group%4))
		groups := (x.Cols + x.Group - 1) / x.Group
		take := func(n int64) []byte {
			b := make([]byte, n)
			data = data[copy(b, data):]
			return b
		}
		x.Codes = take(x.Rows * x.Cols * int64(x.Bits) / 8)
		if wide%4 > 1 && x.Order != Bytes {
			x.Zero, x.ZeroLess = take(x.Rows*groups*int64(x.Bits)/8), wide%8 > 3
		}
		for range x.Rows * groups {
			x.Scale = append(x.Scale, f16At(take(2)))
		}
		typ := kernels.Q8_0
		if x.Bits == 4 {
			typ = []kernels.DType{kernels.Q4_0, kernels.Q4_1}[wide%2]
		}
		m, err := x.Matrix(typ)
		if err != nil {
			var e *GroupError
			require.ErrorAs(t, err, &e)
			require.True(t, e.Row >= 0 && e.Row < x.Rows && e.Group >= 0 && e.Group < groups, "%v", e)
			return
		}
		row := make([]float32, x.Cols)
		for r := range x.Rows {
			Row(row, m, r)
			for c := range x.Cols {
				word, slot := x.place(r, c)
				code := int(binary.LittleEndian.Uint32(x.Codes[4*word:]) >> (x.Bits * int(slot)) & (1<<x.Bits - 1))
				rows := m.Reader(1).Rows(r, 1)[c/32*int64(typ.BlockBytes()):]
				min := float32(0)
				switch {
				case typ == kernels.Q4_1:
					min = f16At(rows[2:])
				case x.Order == Bytes:
					code = int(int8(code))
				default:
					code -= 1 << (x.Bits - 1)
				}
				require.Equal(t, float32(float32(code)*scaleOf(x, r, c/x.Group))+min, row[c], "row %d, column %d", r, c)
			}
		}
	})
}

// TestOneScale: a scale for the whole matrix.
func TestOneScale(t *testing.T) {
	x, values := integers(rand.New(rand.NewPCG(5, 6)), Bytes, 8, 3, 32, 32, false, false)
	x.Scale = []float32{0.25}
	m, err := x.Matrix(kernels.Q8_0)
	require.NoError(t, err)
	row := make([]float32, 32)
	Row(row, m, 2)
	for i, v := range row {
		require.Equal(t, float32(values[2][i])/4, v)
	}
}
