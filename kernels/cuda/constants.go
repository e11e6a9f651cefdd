package cuda

import "trona/kernels"

// Shapes of launches that kernels and Go must agree on; args_gen.h has them.
const (
	warp = 32

	rowThreads  = 256  // of a block that does one row: embed, gather, rope_append_kv, norms of few; of dequant, whose warps do one each
	wideThreads = 1024 // likewise, all of whose numbers are on their way at once: norms
	flatThreads = 256  // of a block of add, add_bias and swiglu
	flatItems   = 1024 // elements that it does
	biasParts   = 3    // sums of a launch

	convertThreads = 256  // of a block of convert
	convertColumns = 4096 // that such a block keeps

	matmulWarps = 8         // of a block of matmul, which share the columns
	matmulRows  = 16        // out-features of such a block
	matmulParts = 3         // weights of a launch
	gemvTokens  = 8         // most tokens of a gemv
	gemvWarps   = 4         // of a block of gemv
	gemvRows    = 8         // out-features of such a block
	gemvChunk   = 32 * warp // columns whose inputs it keeps at a time
	gemmRows    = 64
	gemmThreads = 128

	sm90Threads    = 384 // of a block for Hopper: a group of four warps that copies, two that compute
	sm90GemmRows   = 128
	sm90GemmShared = 193 << 10
	sm90Queries    = 128 // of a block of attention_sm90
	sm90Stages     = 3   // blocks of the cache that are on their way there

	sm90MatmulThreads = warp * (matmulWarps + 1)
	sm90MatmulBlocks  = 2        // of a processor
	sm90MatmulRing    = 67 << 10 // bytes of its stages
	sm90MatmulStages  = 20       // at most
	sm90MatmulFlight  = 32 << 10 // bytes of the stages that are on their way at first

	attentionThreads = 128
	prefillQueries   = 64 // queries (rows times heads that share a KV head) of a block of attention_prefill, and most rows of an item
	decodeSplits     = 32 // most parts that the positions of a row are cut into
	decodeHeads      = 8  // of a block of attention_decode at most, which share a KV head

	sampleThreads = 512
	pieceTokens   = 4096 // of a piece of a row, which a block does
	sampleGroup   = 128  // tokens that a warp reads at once
	sampleBins    = 256
)

// Bytes of shared memory of a block.
const (
	defaultShared = 48 << 10 // more must be allowed
	sharedMost    = 96 << 10 // of attention_any and rope_append_kv: what every device has

	// Barriers and sums stand beside the ring, whose stages are aligned to 128.
	sm90MatmulBeside = (8*2*sm90MatmulStages + 4*matmulWarps*matmulRows*8 + 127) / 128 * 128
	sm90MatmulShared = sm90MatmulBeside + sm90MatmulRing

	normShared      = 4 * wideThreads / warp // a float for each warp
	normInputShared = normShared + 4*rowThreads/warp
	convertShared   = 4 * convertThreads / warp
	sampleShared    = 4 << 10
	sampleAdjusting = sampleShared + 8*pieceTokens // of sample_scan: a logit and a count for each token
)

// matmulShared is for an entry of matmulSizes: the sums of each warp.
func matmulShared(size int) int { return int(4 * matmulWarps * matmulRows * matmulSizes[size]) }

// sm90AttentionShared is the ring, barriers and what stands beside them.
func sm90AttentionShared(dim int64) int {
	return int(sm90Stages*(2*2*kernels.BlockSize*dim+4*8)) + 4*kernels.BlockSize
}

// ropeShared is for a head size: sine and cosine of each pair, a head for each warp.
func ropeShared(dim int64) int64 { return 4 * dim * (1 + rowThreads/warp) }

// gemvShared is for an entry of gemvSizes: a chunk of columns of its tokens.
func gemvShared(size int) int { return int(4 * gemvChunk * gemvSizes[size]) }

// gemmShared is for gemmSizes.
var gemmShared = [len(gemmSizes)]int{30 << 10, 48 << 10, 72 << 10}

// attentionShared is for a number of heads that share a KV head: queries, 64
// scores, sums of values, the greatest score and the sum of weights of each.
func attentionShared(share, dim int64) int { return int(4 * share * (2*dim + 64 + 2)) }

// prefillShared and decodeShared are for a head size: stages of keys and values, and
// what stands beside them.
func prefillShared(dim int64) int { return int(512*dim) + 4*kernels.BlockSize }
func decodeShared(dim int64) int  { return int(768*dim) + 4*(attentionThreads/warp*(2*decodeHeads+1)+1) }

// decodeBlocks is how many blocks of attention_decode a processor has room for at most.
func decodeBlocks(dim int64) int64 { return 1 + 128/dim }

// Codes of fault.
const (
	faultToken = 1 + iota // a token that the vocabulary lacks
	faultSlot             // a slot that the cache lacks
	faultRow              // a row that the input lacks
)

type constant struct {
	name  string
	value int
}

// constants are those that the kernels see.
func constants() []constant {
	return []constant{
		{"ROW_THREADS", rowThreads}, {"WIDE_THREADS", wideThreads}, {"FLAT_THREADS", flatThreads}, {"FLAT_ITEMS", flatItems}, {"BIAS_PARTS", biasParts}, {"STRIP_ROWS", stripRows},
		{"CONVERT_THREADS", convertThreads}, {"CONVERT_COLUMNS", convertColumns},
		{"MATMUL_WARPS", matmulWarps}, {"MATMUL_ROWS", matmulRows}, {"MATMUL_PARTS", matmulParts},
		{"GEMV_TOKENS", gemvTokens}, {"GEMV_WARPS", gemvWarps}, {"GEMV_ROWS", gemvRows},
		{"GEMM_ROWS", gemmRows}, {"GEMM_THREADS", gemmThreads},
		{"SM90_THREADS", sm90Threads}, {"SM90_GEMM_ROWS", sm90GemmRows}, {"SM90_GEMM_SHARED", sm90GemmShared},
		{"SM90_QUERIES", sm90Queries}, {"SM90_ATTENTION_STAGES", sm90Stages},
		{"SM90_MATMUL_THREADS", sm90MatmulThreads}, {"SM90_MATMUL_BLOCKS", sm90MatmulBlocks}, {"SM90_MATMUL_RING", sm90MatmulRing}, {"SM90_MATMUL_STAGES", sm90MatmulStages},
		{"SM90_MATMUL_FLIGHT", sm90MatmulFlight}, {"SM90_MATMUL_BESIDE", sm90MatmulBeside},
		{"ATTENTION_THREADS", attentionThreads}, {"PREFILL_QUERIES", prefillQueries}, {"DECODE_SPLITS", decodeSplits}, {"DECODE_HEADS", decodeHeads},
		{"SAMPLE_THREADS", sampleThreads}, {"SAMPLE_PIECE", pieceTokens}, {"SAMPLE_GROUP", sampleGroup}, {"SAMPLE_BINS", sampleBins},
		{"FAULT_TOKEN", faultToken}, {"FAULT_SLOT", faultSlot}, {"FAULT_ROW", faultRow},
	}
}
