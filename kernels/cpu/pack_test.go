package cpu

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// randomBytes returns n bytes that a seed makes.
func randomBytes(seed uint64, n int64) []byte {
	rng := rand.New(rand.NewPCG(seed, 14))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestPack: every instruction set packs every type to the bytes of the plain Go, and
// rows past the end as those of zeros.
func TestPack(t *testing.T) {
	plain := generic()
	for _, v := range variants() {
		if !v.exact() {
			continue // the others' loops are the same
		}
		for i := range packings {
			typ := kernels.DType(i)
			if packings[i].pack == nil {
				continue
			}
			t.Run(v.name+"/"+typ.String(), func(t *testing.T) {
				for _, blocks := range []int64{1, 2, 3, 5, 67} {
					cols := blocks * int64(typ.Block())
					m := &kernels.Matrix{Type: typ, Rows: 32, Cols: cols, Data: randomBytes(1, 32*typ.RowBytes(cols))}
					if typ == kernels.NVFP4x16 {
						m.GroupScale = randomBytes(2, 32*cols/16)
					}
					if blocks == 3 {
						m.Table = randomTable(rand.New(rand.NewPCG(3, 0)), typ)
					}
					for _, rows := range []int64{32, 17, 15, 1} {
						filled := *m
						filled.Data = slices.Clone(m.Data)
						clear(filled.Data[rows*typ.RowBytes(cols):])
						if m.GroupScale != nil {
							filled.GroupScale = slices.Clone(m.GroupScale)
							clear(filled.GroupScale[rows*cols/16:])
						}
						want := packed(&plain, &filled)
						m.Rows, m.Data = rows, m.Data[:rows*typ.RowBytes(cols)]
						if m.GroupScale != nil {
							m.GroupScale = m.GroupScale[:rows*cols/16]
						}
						got := packed(&v, m)
						require.Equal(t, want[:len(got)], got, "%d rows, %d columns", rows, cols)
					}
				}
			})
		}
	}
}

// packed packs a matrix with the loops of a variant, between guards.
func packed(v *variant, m *kernels.Matrix) []byte {
	all, _ := groupsBytes(m)
	const guard = 64
	dst := slices.Repeat([]byte{0xa5}, int(all+2*guard))
	packGroups(dst[guard:guard+all], v, m)
	for i := range guard {
		if dst[i] != 0xa5 || dst[len(dst)-1-i] != 0xa5 {
			panic(fmt.Sprintf("%v: wrote beside its memory", m))
		}
	}
	return dst[guard : guard+all]
}

// TestInterleave: every instruction set has the bits of the plain Go, from any address.
func TestInterleave(t *testing.T) {
	const most = 20
	plain := generic()
	src := randomBytes(3, lanes*(4*most+1)+1)
	words := unsafe.Slice((*word)(unsafe.Pointer(&alignedFloats(8 * most * lanes)[0])), 8*most)
	for i := range words {
		copy(words[i][:], unsafe.Slice((*uint32)(unsafe.Pointer(&src[4*i])), lanes))
	}
	for _, v := range variants() {
		for n := 1; n <= most; n++ {
			run := func(v *variant) []byte {
				dst := make([]byte, 6*4*lanes*(n+1))
				at := func(i int) unsafe.Pointer { return unsafe.Pointer(&dst[i*4*lanes*(n+1)+1]) }
				v.gather((*word)(at(0)), unsafe.Pointer(&src[1]), 4*most+1, n)
				v.columns16(at(1), &words[0], n)
				v.fields((*word)(at(2)), &words[0], n, 4, 4)
				v.fields((*word)(at(3)), &words[0], n, 2, 3)
				v.fields((*word)(at(4)), &words[0], n, 1, 5)
				v.columns8(at(5), &words[0], n)
				return dst
			}
			require.Equal(t, run(&plain), run(&v), "%s: %d words", v.name, n)
		}
	}
}
