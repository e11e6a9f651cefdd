package cuda

import "encoding/binary"

// unit is the number of columns that four lanes of a warp read together, and
// laneColumns that of one lane: what it contributes to eight products of 16
// columns (README.md, "Layout of weights").
const (
	unit        = 128
	laneColumns = 32
)

// pairColumn returns the first column of pair p of eight of lane t, within its
// 32 columns number j of the unit: the pairs of step 2j, then of step 2j+1.
func pairColumn(t, j, p int) int { return 16*(2*j+p/2) + 2*t + 8*(p%2) }

// permute puts entries of `bits` bits, in the order of the columns, into the
// order in which lanes read them. Both are whole units.
func permute(dst, src []byte, bits int) {
	size := unit * bits / 8
	for ; len(src) > 0; dst, src = dst[size:], src[size:] {
		for t := range 4 {
			for j := range 4 {
				to := dst[(t*laneColumns+8*j)*bits/8:][:bits]
				switch bits {
				case 1:
					to[0] = byte(permuteSmall(src, t, j, 1))
				case 2:
					binary.LittleEndian.PutUint16(to, uint16(permuteSmall(src, t, j, 2)))
				case 4:
					permuteNibbles(to, src, t, j)
				case 8:
					permuteBytes(to, src, t, j)
				default:
					permutePairs(to, src, t, j, bits/8)
				}
			}
		}
	}
}

// permuteSmall joins 8 codes of 1 or 2 bits: the first code of pair p is number
// p, the second number 4+p.
func permuteSmall(src []byte, t, j, bits int) (word uint32) {
	mask := uint32(1)<<bits - 1
	for p := range 4 {
		at := pairColumn(t, j, p) * bits
		two := uint32(src[at/8]) >> (at % 8)
		word |= two&mask<<(bits*p) | two>>bits&mask<<(bits*(4+p))
	}
	return word
}

// permuteNibbles does the same with codes of 4 bits.
func permuteNibbles(dst, src []byte, t, j int) {
	from := src[16*j+t:][:13]
	a, b, c, d := uint32(from[0]), uint32(from[4]), uint32(from[8]), uint32(from[12])
	binary.LittleEndian.PutUint32(dst, a&15|b&15<<4|c&15<<8|d&15<<12|a>>4<<16|b>>4<<20|c>>4<<24|d>>4<<28)
}

func permuteBytes(dst, src []byte, t, j int) {
	for p := range 4 {
		c := pairColumn(t, j, p)
		dst[p], dst[4+p] = src[c], src[c+1]
	}
}

// permutePairs copies pairs of numbers of `size` bytes: both side by side.
func permutePairs(dst, src []byte, t, j, size int) {
	for p := range 4 {
		copy(dst[2*size*p:][:2*size], src[size*pairColumn(t, j, p):])
	}
}
