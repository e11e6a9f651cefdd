// Code generated from args.go by TestArgsHeader -rewrite. DO NOT EDIT.
#pragma once

#define ROW_THREADS i32(256)
#define WIDE_THREADS i32(1024)
#define FLAT_THREADS i32(256)
#define FLAT_ITEMS i32(1024)
#define BIAS_PARTS i32(3)
#define STRIP_ROWS i32(8)
#define CONVERT_THREADS i32(256)
#define CONVERT_COLUMNS i32(4096)
#define MATMUL_WARPS i32(8)
#define MATMUL_ROWS i32(16)
#define MATMUL_PARTS i32(3)
#define GEMV_TOKENS i32(8)
#define GEMV_WARPS i32(4)
#define GEMV_ROWS i32(8)
#define GEMM_ROWS i32(64)
#define GEMM_THREADS i32(128)
#define SM90_THREADS i32(384)
#define SM90_GEMM_ROWS i32(128)
#define SM90_GEMM_SHARED i32(197632)
#define SM90_QUERIES i32(128)
#define SM90_ATTENTION_STAGES i32(3)
#define SM90_MATMUL_THREADS i32(288)
#define SM90_MATMUL_BLOCKS i32(2)
#define SM90_MATMUL_RING i32(68608)
#define SM90_MATMUL_STAGES i32(20)
#define SM90_MATMUL_FLIGHT i32(32768)
#define SM90_MATMUL_BESIDE i32(4480)
#define ATTENTION_THREADS i32(128)
#define PREFILL_QUERIES i32(64)
#define DECODE_SPLITS i32(32)
#define DECODE_HEADS i32(8)
#define SAMPLE_THREADS i32(512)
#define SAMPLE_PIECE i32(4096)
#define SAMPLE_GROUP i32(128)
#define SAMPLE_BINS i32(256)
#define FAULT_TOKEN i32(1)
#define FAULT_SLOT i32(2)
#define FAULT_ROW i32(3)

struct Fault {
    u32 code;
    i32 index;
};
static_assert(sizeof(Fault) == 8, "Fault");

struct WeightArgs {
    const u8* data;
    const float* scale;
    i64 pitch;
    i32 rows;
    i32 cols;
    i32 scaleRows;
    i32 scaleCols;
    i32 scaleStride;
    i32 unused8;
};
static_assert(sizeof(WeightArgs) == 48, "WeightArgs");

struct CodeTable {
    u32 a;
    u32 b;
    u32 c;
    u32 d;
};
static_assert(sizeof(CodeTable) == 16, "CodeTable");

struct EmbedArgs {
    WeightArgs w;
    float* out;
    const i32* ids;
    Fault* fault;
    CodeTable table;
};
static_assert(sizeof(EmbedArgs) == 88, "EmbedArgs");

struct InputArgs {
    u16* x;
    float* scale;
    float* sums16;
    float* sums32;
    i32 ld;
    i32 stride;
};
static_assert(sizeof(InputArgs) == 40, "InputArgs");

struct RmsnormArgs {
    float* out;
    float* x;
    const float* delta;
    const float* weight;
    i32 d;
    float eps;
    InputArgs to;
};
static_assert(sizeof(RmsnormArgs) == 80, "RmsnormArgs");

struct AddArgs {
    float* x;
    const float* delta;
    i64 n;
};
static_assert(sizeof(AddArgs) == 24, "AddArgs");

struct BiasPart {
    float* x;
    const float* bias;
    i32 d;
    i32 first;
};
static_assert(sizeof(BiasPart) == 24, "BiasPart");

struct AddBiasArgs {
    BiasPart parts[3];
};
static_assert(sizeof(AddBiasArgs) == 72, "AddBiasArgs");

struct SwigluArgs {
    float* gate;
    const float* gateBias;
    const float* up;
    const float* upBias;
    i32 d;
    i32 unused5;
};
static_assert(sizeof(SwigluArgs) == 40, "SwigluArgs");

struct GatherArgs {
    float* out;
    const float* x;
    const i32* rows;
    Fault* fault;
    i32 n;
    i32 d;
};
static_assert(sizeof(GatherArgs) == 40, "GatherArgs");

struct KvArgs {
    u8* k;
    u8* v;
    float* kScale;
    float* vScale;
    i32 blocks;
    i32 kvHeads;
    i32 dim;
    i32 unused7;
};
static_assert(sizeof(KvArgs) == 48, "KvArgs");

struct RopeAppendKvArgs {
    KvArgs cache;
    float* q;
    const float* k;
    const float* v;
    const i32* positions;
    const i32* slots;
    const float* inv;
    Fault* fault;
    float scale;
    i32 interleaved;
    i32 heads;
    i32 rotating;
};
static_assert(sizeof(RopeAppendKvArgs) == 120, "RopeAppendKvArgs");

struct AttentionItem {
    i32 row;
    i32 rows;
    i32 position;
    i32 table;
};
static_assert(sizeof(AttentionItem) == 16, "AttentionItem");

struct AttentionArgs {
    KvArgs cache;
    float* out;
    const float* q;
    const AttentionItem* items;
    const i32* count;
    const i32* table;
    float* parts;
    i32 heads;
    float scale;
    i32 first;
    i32 window;
};
static_assert(sizeof(AttentionArgs) == 112, "AttentionArgs");

struct DecodeArgs {
    AttentionArgs a;
    InputArgs to;
    u32* arrived;
    i32 items;
    i32 unused4;
};
static_assert(sizeof(DecodeArgs) == 168, "DecodeArgs");

struct ConvertArgs {
    InputArgs to;
    const float* x;
    i32 cols;
    i32 unused3;
};
static_assert(sizeof(ConvertArgs) == 56, "ConvertArgs");

struct DequantArgs {
    WeightArgs w;
    u16* out;
    float* scale;
    i32 first;
    i32 rows;
    i32 ld;
    float most;
    CodeTable table;
};
static_assert(sizeof(DequantArgs) == 96, "DequantArgs");

struct MatmulPart {
    WeightArgs w;
    float* out;
    i32 first;
    i32 unused3;
};
static_assert(sizeof(MatmulPart) == 64, "MatmulPart");

struct MatmulArgs {
    MatmulPart parts[3];
    const u16* x;
    const float* xScale;
    const float* sums16;
    const float* sums32;
    i64 ld;
    i32 n;
    i32 stride;
    i32 tiles;
    i32 pair;
    i32 gated;
    i32 unused11;
    CodeTable table;
};
static_assert(sizeof(MatmulArgs) == 272, "MatmulArgs");

struct GemvArgs {
    WeightArgs w;
    float* out;
    const float* x;
    i32 n;
    i32 gated;
};
static_assert(sizeof(GemvArgs) == 72, "GemvArgs");

struct GemmArgs {
    float* out;
    const u16* x;
    const u16* w;
    const float* xScale;
    const float* wScale;
    i64 ldX;
    i64 ldW;
    i64 ldOut;
    i32 n;
    i32 rows;
    i32 cols;
    i32 gated;
};
static_assert(sizeof(GemmArgs) == 80, "GemmArgs");

struct GemmSm90Args {
    TensorMap w;
    TensorMap x;
    float* out;
    const float* xScale;
    const float* wScale;
    i64 ldOut;
    i32 n;
    i32 rows;
    i32 cols;
    i32 gated;
    i64 unused10;
    i64 unused11;
};
static_assert(sizeof(GemmSm90Args) == 320, "GemmSm90Args");

struct AttentionSm90Args {
    TensorMap k;
    TensorMap v;
    AttentionArgs a;
    i64 unused3;
    i64 unused4;
};
static_assert(sizeof(AttentionSm90Args) == 384, "AttentionSm90Args");

struct SampleRow {
    u64 seed;
    i64 position;
    float temperature;
    float topP;
    float minP;
    float presence;
    float frequency;
    float repetition;
    i32 topK;
    i32 logprob;
    i32 logprobs;
    i32 masked;
    i32 prompt[2];
    i32 generated[2];
    i32 bias[2];
    i32 banned[2];
    i32 mask[2];
};
static_assert(sizeof(SampleRow) == 96, "SampleRow");

struct Sampled {
    i32 token;
    float logprob;
    i32 tops;
    i32 invalid;
};
static_assert(sizeof(Sampled) == 16, "Sampled");

struct TokenLogprob {
    i32 token;
    float logprob;
};
static_assert(sizeof(TokenLogprob) == 8, "TokenLogprob");

struct SamplePiece {
    u64 rawBest;
    u64 best;
    double sum;
    u64 most;
    i32 token;
    i32 bad;
};
static_assert(sizeof(SamplePiece) == 40, "SamplePiece");

struct SampleArgs {
    const float* logits;
    const SampleRow* rows;
    const i32* ids;
    Sampled* out;
    TokenLogprob* top;
    float* adjusted;
    u64* list;
    u64* keys;
    SamplePiece* pieces;
    u64* bins;
    i32 vocab;
    i32 maxTop;
};
static_assert(sizeof(SampleArgs) == 88, "SampleArgs");
