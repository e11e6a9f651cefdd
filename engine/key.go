package engine

import (
	"crypto/sha256"
	"encoding/binary"

	"trona/kernels"
)

// key names what a full block of the KV cache holds: the tokens from the
// beginning of the sequence to the end of the block, the arithmetic that
// computed each position, and the salt. Blocks of equal keys hold equal bits.
// On a device whose arithmetics agree, all positions count as prefilled.
type key [sha256.Size]byte

// rootKey is where the chain of a salt's keys begins.
func rootKey(salt string) key {
	const tag = "trona kv 1"
	b := binary.LittleEndian.AppendUint64([]byte(tag), uint64(len(salt)))
	return sha256.Sum256(append(b, salt...))
}

// next returns the key of the block after k that holds these tokens, of which
// the first prefill were computed with prefill arithmetic and the others with
// decode arithmetic. All fields have a fixed length or follow theirs.
func (k key) next(tokens []int32, prefill int) key {
	var room [sha256.Size + 8 + 4*kernels.BlockSize]byte
	b := append(room[:0], k[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(prefill))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(tokens)))
	for _, t := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
	}
	return sha256.Sum256(b)
}
