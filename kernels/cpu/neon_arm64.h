// Instructions that the assembler does not know, by the numbers of registers; E
// takes one of four elements of the last source.

#define THREE(OP, D, N, M) WORD $(OP | ((M)<<16) | ((N)<<5) | (D))
#define TWO(OP, D, N) WORD $(OP | ((N)<<5) | (D))
#define ELEMENT(OP, D, N, M, E) WORD $(OP | (((E)&1)<<21) | (((E)>>1)<<11) | ((M)<<16) | ((N)<<5) | (D))

// Four times: 32 bits += four products of bytes; floats +=, -=, = products. SMMLA: 32 bits
// += eight products of bytes, of each half of N with each half of M.
#define SDOT(D, N, M, E) ELEMENT(0x4F80E000, D, N, M, E)
#define FMLA(D, N, M, E) ELEMENT(0x4F801000, D, N, M, E)
#define FMLS(D, N, M, E) ELEMENT(0x4F805000, D, N, M, E)
#define FMUL(D, N, M, E) ELEMENT(0x4F809000, D, N, M, E)
#define SDOTV(D, N, M) THREE(0x4E809400, D, N, M)
#define SMMLA(D, N, M) THREE(0x4E80A400, D, N, M)
#define FMLAV(D, N, M) THREE(0x4E20CC00, D, N, M)
#define FMULV(D, N, M) THREE(0x6E20DC00, D, N, M)
#define FADD(D, N, M) THREE(0x4E20D400, D, N, M)
#define FSUB(D, N, M) THREE(0x4EA0D400, D, N, M)
#define FDIV(D, N, M) THREE(0x6E20FC00, D, N, M)
#define FMIN(D, N, M) THREE(0x4EA0F400, D, N, M)
#define FMLSV(D, N, M) THREE(0x4EA0CC00, D, N, M)
#define FADDP(D, N, M) THREE(0x6E20D400, D, N, M)
#define FMAXNM(D, N, M) THREE(0x4E20C400, D, N, M)
#define FMAXNMV(D, N) TWO(0x6E30C800, D, N)
#define FCMGT(D, N, M) THREE(0x6EA0E400, D, N, M)
#define FRINTN(D, N) TWO(0x4E218800, D, N)
#define BIC(D, N, M) THREE(0x4E601C00, D, N, M)
#define FNEG(D, N) TWO(0x6EA0F800, D, N)
#define SCVTF(D, N) TWO(0x4E21D800, D, N)
#define FMAX(D, N, M) THREE(0x4E20F400, D, N, M)
#define FMAXV(D, N) TWO(0x6E30F800, D, N)
#define FCMEQ(D, N, M) THREE(0x4E20E400, D, N, M)
#define FCMGE(D, N, M) THREE(0x6E20E400, D, N, M)
#define FCVTZS(D, N) TWO(0x4EA1B800, D, N)

// Eight products of the low and the high bytes; sums of pairs of 16 bits, and those of 8
// and 16 bits set and added in twice as many; the sum of eight of 16 bits; bytes
// shifted to the left by signed counts; four times element E.
#define SMULL(D, N, M) THREE(0x0E20C000, D, N, M)
#define SMULL2(D, N, M) THREE(0x4E20C000, D, N, M)
#define ADDPH(D, N, M) THREE(0x4E60BC00, D, N, M)
#define SADDLPB(D, N) TWO(0x4E202800, D, N)
#define SADALPB(D, N) TWO(0x4E206800, D, N)
#define SADALPH(D, N) TWO(0x4E606800, D, N)
#define SADDLVH(D, N) TWO(0x4E703800, D, N)
#define USHLB(D, N, M) THREE(0x6E204400, D, N, M)
#define DUPS(D, N, E) TWO(0x4E040400 | ((E)<<19), D, N)

// Four words: low halves of products, shifts to the left by signed counts, to the right by
// 24 with the sign; both products of two, from the low and the high half; the complement.
#define MULV(D, N, M) THREE(0x4EA09C00, D, N, M)
#define USHL(D, N, M) THREE(0x6EA04400, D, N, M)
#define SSHR24(D, N) TWO(0x4F280400, D, N)
#define UMULL(D, N, M) THREE(0x2EA0C000, D, N, M)
#define UMULL2(D, N, M) THREE(0x6EA0C000, D, N, M)
#define NOT(D, N) TWO(0x6E205800, D, N)

// Two doubles: from floats of the low and of the high half, arithmetic, towards 0.
#define FCVTLD(D, N) TWO(0x0E617800, D, N)
#define FCVTLD2(D, N) TWO(0x4E617800, D, N)
#define FADDD(D, N, M) THREE(0x4E60D400, D, N, M)
#define FSUBD(D, N, M) THREE(0x4EE0D400, D, N, M)
#define FMULD(D, N, M) THREE(0x6E60DC00, D, N, M)
#define FMLAD(D, N, M) THREE(0x4E60CC00, D, N, M)
#define FDIVD(D, N, M) THREE(0x6E60FC00, D, N, M)
#define FMAXD(D, N, M) THREE(0x4E60F400, D, N, M)
#define FADDPD(D, N, M) THREE(0x6E60D400, D, N, M)
#define FRINTZD(D, N) TWO(0x4EE19800, D, N)

// From the low and the high half: halves to floats, and back to it; 16 bits to the upper of
// 32; bytes to 16 and 16 bits to 32 bits, with and without a sign; bytes times 2^7.
#define FCVTL(D, N) TWO(0x0E217800, D, N)
#define FCVTL2(D, N) TWO(0x4E217800, D, N)
#define FCVTN(D, N) TWO(0x0E216800, D, N)
#define FCVTN2(D, N) TWO(0x4E216800, D, N)
#define SHLL(D, N) TWO(0x2E613800, D, N)
#define SHLL2(D, N) TWO(0x6E613800, D, N)
#define SXTLB(D, N) TWO(0x0F08A400, D, N)
#define SXTLB2(D, N) TWO(0x4F08A400, D, N)
#define SXTLH(D, N) TWO(0x0F10A400, D, N)
#define SXTLH2(D, N) TWO(0x4F10A400, D, N)
#define UXTLB(D, N) TWO(0x2F08A400, D, N)
#define UXTLB2(D, N) TWO(0x6F08A400, D, N)
#define SSHLL7(D, N) TWO(0x0F0FA400, D, N)
#define SSHLL7H(D, N) TWO(0x4F0FA400, D, N)

// Floats to the nearest integers; 32 bits to the low and the high half of 16, and 16
// to 8; the largest of four without a sign.
#define FCVTNS(D, N) TWO(0x4E21A800, D, N)
#define SQXTNS(D, N) TWO(0x0E614800, D, N)
#define SQXTNS2(D, N) TWO(0x4E614800, D, N)
#define SQXTNH(D, N) TWO(0x0E214800, D, N)
#define SQXTNH2(D, N) TWO(0x4E214800, D, N)
#define UMAXV(D, N) TWO(0x6EB0A800, D, N)

// ZERO makes zeros and waits for nothing, which VEOR of a vector with itself does; ZEROS makes
// four vectors of them.
#define ZERO(D) WORD $(0x6F00E400 | (D))
#define ZEROS(D) \
	ZERO(D) \
	ZERO((D+1)) \
	ZERO((D+2)) \
	ZERO((D+3))

// LOADQ and STOREQ are 16 bytes at a multiple of 16 from register number R.
#define LOADQ(D, R, AT) WORD $(0x3DC00000 | (((AT)/16)<<10) | ((R)<<5) | (D))
#define STOREQ(D, R, AT) WORD $(0x3D800000 | (((AT)/16)<<10) | ((R)<<5) | (D))

// BITS32 makes R a bit of each lane of A to H, all ones or zeros, the first lowest; V26 has
// the powers of two of eight bytes, twice. A, C, E and G are lost.
#define BITS32(A, B, C, D, E, F, G, H, R) \
	VUZP1 B.H8, A.H8, A.H8 \
	VUZP1 D.H8, C.H8, C.H8 \
	VUZP1 F.H8, E.H8, E.H8 \
	VUZP1 H.H8, G.H8, G.H8 \
	VUZP1 C.B16, A.B16, A.B16 \
	VUZP1 G.B16, E.B16, E.B16 \
	VAND  V26.B16, A.B16, A.B16 \
	VAND  V26.B16, E.B16, E.B16 \
	VADDP E.B16, A.B16, A.B16 \
	VADDP A.B16, A.B16, A.B16 \
	VADDP A.B16, A.B16, A.B16 \
	VMOV  A.S[0], R

#define POWERS(R) \
	MOVD $0x8040201008040201, R \
	VDUP R, V26.D2
