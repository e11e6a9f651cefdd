package cuda

// Shapes of launches that kernels and Go must agree on; args_gen.h has them.
const (
	warp = 32

	rowThreads  = 256  // of a block that does one row: embed, norms, gather, rope, append, convert, dequant
	flatThreads = 256  // of a block of add and swiglu
	flatItems   = 1024 // elements that it does

	gemvTokens  = 8 // most tokens of a gemv
	gemvWarps   = 4 // of a block of gemv
	gemvRows    = 8 // out-features of such a block
	gemmRows    = 64
	gemmThreads = 128

	attentionThreads = 128
	prefillQueries   = 64  // queries (rows times heads of a group) of a prefill item
	decodePositions  = 256 // positions of a decode item

	sampleThreads = 512
)

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
		{"ROW_THREADS", rowThreads}, {"FLAT_THREADS", flatThreads}, {"FLAT_ITEMS", flatItems},
		{"GEMV_TOKENS", gemvTokens}, {"GEMV_WARPS", gemvWarps}, {"GEMV_ROWS", gemvRows},
		{"GEMM_ROWS", gemmRows}, {"GEMM_THREADS", gemmThreads},
		{"ATTENTION_THREADS", attentionThreads}, {"PREFILL_QUERIES", prefillQueries}, {"DECODE_POSITIONS", decodePositions},
		{"SAMPLE_THREADS", sampleThreads},
		{"FAULT_TOKEN", faultToken}, {"FAULT_SLOT", faultSlot}, {"FAULT_ROW", faultRow},
	}
}
