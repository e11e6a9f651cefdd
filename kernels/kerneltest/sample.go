package kerneltest

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

var inf = float32(math.Inf(1))

// sample runs Sample on one row.
func (c *context) sample(logits []float32, r kernels.SampleRow) kernels.Sampled {
	dst := make([]kernels.Sampled, 1)
	c.dev.Sample(dst, c.floats(logits, 1, int64(len(logits))), []kernels.SampleRow{r})
	require.NoError(c, c.dev.Sync())
	return dst[0]
}

// sampleRows runs Sample on rows of one size.
func (c *context) sampleRows(logits [][]float32, rows []kernels.SampleRow) []kernels.Sampled {
	dst := make([]kernels.Sampled, len(rows))
	c.dev.Sample(dst, c.floats(slices.Concat(logits...), int64(len(rows)), int64(len(logits[0]))), rows)
	require.NoError(c, c.dev.Sync())
	return dst
}

// sampleAt draws at n positions, as rows of one call.
func (c *context) sampleAt(logits []float32, r kernels.SampleRow, from, n int64) []kernels.Sampled {
	rows := slices.Repeat([]kernels.SampleRow{r}, int(n))
	for i := range rows {
		rows[i].Position = from + int64(i)
	}
	return c.sampleRows(slices.Repeat([][]float32{logits}, int(n)), rows)
}

func testSample(c *context) {
	for name, test := range map[string]func(*context){
		"greedy": sampleGreedy, "invalid": sampleInvalid, "logprobs": sampleLogprobs,
		"adjustments": sampleAdjustments, "filters": sampleFilters, "reference": sampleReference,
		"independence": sampleIndependence, "distribution": sampleDistribution, "infinite": sampleInfinite,
		"masked": sampleMasked, "pieces": samplePieces, "ties": sampleTies,
	} {
		if c.suite.Brief && (name == "filters" || name == "distribution") {
			continue
		}
		c.run(name, test)
	}
}

func sampleGreedy(c *context) {
	require.EqualValues(c, 1, c.sample([]float32{1, 3, 2, 3}, kernels.SampleRow{}).Token, "ties: the lowest id")
	require.EqualValues(c, 0, c.sample([]float32{7}, kernels.SampleRow{}).Token)
	require.EqualValues(c, 2, c.sample([]float32{1, 3, inf, inf}, kernels.SampleRow{}).Token)
	require.EqualValues(c, 1, c.sample([]float32{-inf, -5, -inf}, kernels.SampleRow{}).Token)
	for _, n := range []int{77, 128256} {
		logits := c.normal(int64(n), 3)
		at := c.rng.IntN(n)
		logits[at] = 1000
		require.EqualValues(c, at, c.sample(logits, kernels.SampleRow{}).Token)
	}
	logits, dst, rows := c.floats(c.normal(3000, 3), 3, 1000), make([]kernels.Sampled, 3), make([]kernels.SampleRow, 3)
	c.noAllocs(func() { c.dev.Sample(dst, logits, rows) })
	for i := range rows {
		rows[i] = kernels.SampleRow{Temperature: 1, TopK: 40, TopP: 0.9, Generated: []int32{3}, Presence: 0.1}
	}
	c.noAllocs(func() { c.dev.Sample(dst, logits, rows) })
}

func sampleInvalid(c *context) {
	nan := float32(math.NaN())
	for _, logits := range [][]float32{{nan}, {1, nan, 2}, {nan, 5}, {5, nan}, {-inf, -inf}} {
		for _, temperature := range []float32{0, 1} {
			got := c.sample(logits, kernels.SampleRow{Temperature: temperature})
			require.Equal(c, kernels.Sampled{Token: -1, Invalid: true}, got, "%v", logits)
		}
	}
	require.True(c, c.sample([]float32{1, 2}, kernels.SampleRow{Mask: []uint32{0}}).Invalid)
	require.True(c, c.sample([]float32{1, 2}, kernels.SampleRow{Banned: []int32{0, 1}, Temperature: 1}).Invalid)
	// A token that the vocabulary lacks fails its request only.
	require.True(c, c.sample([]float32{1, 2}, kernels.SampleRow{Banned: []int32{2}}).Invalid)
	require.True(c, c.sample([]float32{1, 2}, kernels.SampleRow{Bias: []kernels.TokenBias{{Token: -1}}}).Invalid)
	require.True(c, c.sample([]float32{1, 2}, kernels.SampleRow{Presence: 1, Generated: []int32{9}}).Invalid)
	require.False(c, c.sample([]float32{1, 2}, kernels.SampleRow{}).Invalid)
}

func sampleLogprobs(c *context) {
	logits := c.normal(5000, 3)
	sum, highest := 0.0, float64(slices.Max(logits))
	for _, v := range logits {
		sum += math.Exp(float64(v) - highest)
	}
	of := func(t int32) float64 { return float64(logits[t]) - highest - math.Log(sum) }
	logits[17], logits[40] = logits[4000], logits[4000]
	order := make([]int32, len(logits))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		return -1 * cmp(logits[a], logits[b])
	})
	sum = 0
	for _, v := range logits {
		sum += math.Exp(float64(v) - highest)
	}
	for _, n := range []int{0, 1, 20, 5000, 6000} {
		// A ban changes the choice but not the probabilities.
		got := c.sample(slices.Clone(logits), kernels.SampleRow{Logprob: true, Logprobs: n, Banned: order[:1]})
		require.Equal(c, order[1], got.Token)
		require.InDelta(c, of(got.Token), got.Logprob, 1e-6+math.Abs(of(got.Token))*0x1p-23)
		require.Len(c, got.Top, min(n, len(logits)))
		for i, top := range got.Top {
			require.Equal(c, order[i], top.Token, "place %d of %d", i, n)
			// Half a unit in the last place, and that much again.
			require.InDelta(c, of(top.Token), top.Logprob, 1e-6+math.Abs(of(top.Token))*0x1p-23)
		}
	}
	got := c.sample([]float32{0, inf, inf}, kernels.SampleRow{Logprob: true})
	require.InDelta(c, math.Log(0.5), got.Logprob, 1e-6)
}

func cmp(a, b float32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func sampleAdjustments(c *context) {
	logits := func() []float32 { return []float32{4, 3, 2, 1, -1} }
	for _, s := range []struct {
		name string
		row  kernels.SampleRow
		want int32
	}{
		{"bias", kernels.SampleRow{Bias: []kernels.TokenBias{{Token: 4, Bias: 6}}}, 4},
		{"bias twice", kernels.SampleRow{Bias: []kernels.TokenBias{{Token: 4, Bias: 3}, {Token: 4, Bias: 3}}}, 4},
		{"presence", kernels.SampleRow{Presence: 1.5, Generated: []int32{0, 0, 0}}, 1},
		{"presence leaves the prompt", kernels.SampleRow{Presence: 1.5, Prompt: []int32{0}}, 0},
		{"presence once", kernels.SampleRow{Presence: 0.9, Generated: []int32{0, 0, 0}}, 0},
		{"frequency counts", kernels.SampleRow{Frequency: 0.4, Generated: []int32{0, 0, 0}}, 1},
		{"repetition divides", kernels.SampleRow{Repetition: 1.5, Prompt: []int32{0}}, 1},
		{"repetition once", kernels.SampleRow{Repetition: 1.3, Prompt: []int32{0, 0}, Generated: []int32{0}}, 0},
		{"negative logits are multiplied", kernels.SampleRow{Repetition: 0.1, Generated: []int32{0, 1, 2, 3, 4}}, 0},
		{"banned", kernels.SampleRow{Banned: []int32{1, 0}}, 2},
		{"mask", kernels.SampleRow{Mask: []uint32{1<<2 | 1<<3}}, 2},
		{"mask beats bias", kernels.SampleRow{Mask: []uint32{1 << 3}, Bias: []kernels.TokenBias{{Token: 0, Bias: 99}}}, 3},
	} {
		require.Equal(c, s.want, c.sample(logits(), s.row).Token, s.name)
		s.row.Temperature = 1e-6 // almost greedy
		require.Equal(c, s.want, c.sample(logits(), s.row).Token, "%s, at random", s.name)
	}
}

// sampleFilters: the tokens that can come are exactly those the filters keep.
func sampleFilters(c *context) {
	// Probabilities 0.4, 0.3, 0.15, 0.1, 0.05 in mixed order.
	p := []float64{0.1, 0.4, 0.05, 0.3, 0.15}
	logits := make([]float32, len(p))
	for i, v := range p {
		logits[i] = float32(math.Log(v))
	}
	for _, s := range []struct {
		row  kernels.SampleRow
		want []int32
	}{
		{kernels.SampleRow{}, []int32{0, 1, 2, 3, 4}},
		{kernels.SampleRow{TopK: 2}, []int32{1, 3}},
		{kernels.SampleRow{TopK: 1}, []int32{1}},
		{kernels.SampleRow{TopK: 99}, []int32{0, 1, 2, 3, 4}},
		{kernels.SampleRow{TopP: 0.3}, []int32{1}},
		{kernels.SampleRow{TopP: 0.69}, []int32{1, 3}},
		{kernels.SampleRow{TopP: 0.71}, []int32{1, 3, 4}},
		{kernels.SampleRow{TopK: 3, TopP: 0.81}, []int32{1, 3}}, // 0.7 of 0.85
		{kernels.SampleRow{TopK: 3, TopP: 0.84}, []int32{1, 3, 4}},
		{kernels.SampleRow{MinP: 0.3}, []int32{1, 3, 4}},
		{kernels.SampleRow{MinP: 0.26, TopK: 2}, []int32{1, 3}},
		{kernels.SampleRow{MinP: 1}, []int32{1}},
		{kernels.SampleRow{MinP: 0.3, TopP: 0.69}, []int32{1, 3}},
	} {
		seen := map[int32]bool{}
		s.row.Temperature = 1
		for _, drawn := range c.sampleAt(logits, s.row, 0, 400) {
			seen[drawn.Token] = true
		}
		var got []int32
		for t := range seen {
			got = append(got, t)
		}
		slices.Sort(got)
		require.Equal(c, s.want, got, "%+v", s.row)
	}
	// Ties at the k-th value are kept by lowest id.
	for i := range 50 {
		got := c.sample([]float32{1, 2, 1, 1}, kernels.SampleRow{Temperature: 5, TopK: 2, Position: int64(i)})
		require.Contains(c, []int32{0, 1}, got.Token)
	}
}

// sampleInfinite: logits that are +Inf share all draws, whatever the filters.
func sampleInfinite(c *context) {
	for _, r := range []kernels.SampleRow{{}, {TopK: 3}, {TopP: 0.9}, {MinP: 0.1}, {TopK: 1}} {
		seen := map[int32]bool{}
		r.Temperature = 1
		for i := range 40 {
			r.Position = int64(i)
			seen[c.sample([]float32{1, inf, -inf, inf, 88}, r).Token] = true
		}
		want := map[int32]bool{1: true}
		if r.TopK != 1 { // which keeps the lowest id
			want[3] = true
		}
		require.Equal(c, want, seen, "%+v", r)
	}
}

// sampleMasked: what a mask or a ban forbids is never drawn, also where it is
// infinite, and leaves nothing of its share to others. Vocabularies have odd sizes,
// and masks may end before they do.
func sampleMasked(c *context) {
	for _, vocab := range []int64{1, 5, 33, 70, 5001} {
		for infinite := range 3 { // logits of each kind
			logits := c.normal(vocab, 2)
			for range infinite {
				logits[c.rng.Int64N(vocab)] = inf
				logits[c.rng.Int64N(vocab)] = -inf
			}
			var rows []kernels.SampleRow
			for _, r := range []kernels.SampleRow{{}, {Temperature: 1}, {Temperature: 0.7, TopK: 2}, {Temperature: 1, TopP: 0.8}, {Temperature: 1.5, MinP: 0.05}} {
				for _, share := range []float64{0.1, 0.5, 1} {
					r.Seed, r.Position = c.rng.Uint64(), c.rng.Int64N(1000)
					r.Mask = make([]uint32, (vocab+31)/32-c.rng.Int64N(2)*(vocab/64))
					for t := range int64(len(r.Mask)) * 32 { // some bits are beyond the vocabulary
						if c.rng.Float64() < share && (t >= vocab || logits[t] != inf || share < 1) {
							r.Mask[t/32] |= 1 << (t % 32)
						}
					}
					r.Banned = []int32{int32(c.rng.Int64N(vocab))}
					rows = append(rows, r)
				}
			}
			dst := make([]kernels.Sampled, len(rows))
			c.dev.Sample(dst, c.floats(slices.Repeat(logits, len(rows)), int64(len(rows)), vocab), rows)
			require.NoError(c, c.dev.Sync())
			for i, r := range rows {
				require.Equal(c, drawMasked(logits, r), dst[i].Token, "%d logits, %d infinite, %+v", vocab, infinite, r)
				require.Equal(c, dst[i].Token < 0, dst[i].Invalid)
			}
		}
	}
}

// drawMasked draws from what mask and ban leave, -1 if that is nothing: from the
// infinite, all alike, if there are any.
func drawMasked(logits []float32, r kernels.SampleRow) int32 {
	left, highest := slices.Clone(logits), -inf
	for t := range left {
		if t/32 >= len(r.Mask) || r.Mask[t/32]>>(t%32)&1 == 0 || slices.Contains(r.Banned, int32(t)) {
			left[t] = -inf
		}
		highest = max(highest, left[t])
	}
	if highest == -inf {
		return -1
	}
	if highest == inf {
		for t, v := range left {
			left[t] = -inf
			if v == inf {
				left[t] = 0
			}
		}
	}
	if r.Temperature == 0 {
		return int32(slices.Index(left, slices.Max(left)))
	}
	return drawRef(left, r)
}

// noise is the Gumbel noise that SampleRow describes.
func noise(r kernels.SampleRow, token int32) float64 {
	x := [4]uint32{uint32(token / 2), 0, uint32(r.Position), uint32(r.Position >> 32)}
	k := [2]uint32{uint32(r.Seed), uint32(r.Seed >> 32)}
	for range 10 {
		hi0, lo0 := bits.Mul32(0xD2511F53, x[0])
		hi1, lo1 := bits.Mul32(0xCD9E8D57, x[2])
		x = [4]uint32{hi1 ^ x[1] ^ k[0], lo1, hi0 ^ x[3] ^ k[1], lo0}
		k[0], k[1] = k[0]+0x9E3779B9, k[1]+0xBB67AE85
	}
	word := uint64(x[2*(token%2)+1])<<32 | uint64(x[2*(token%2)])
	return -math.Log(-math.Log((float64(word>>12) + 0.5) / (1 << 52)))
}

// sampleReference draws as the definition says: sort, filter, add noise.
func sampleReference(c *context) {
	for i := range 120 {
		n := 2 + c.rng.IntN(3000)
		if i%4 == 0 { // few logits are apart in their first bits
			n = 2 + c.rng.IntN(60)
		}
		if i < 4 { // more than threads read at once
			n = []int{128256, 20001, 20001, 128256}[i]
		}
		logits := c.normal(int64(n), 2)
		r := kernels.SampleRow{Temperature: 0.2 + 2*c.rng.Float32(), Seed: c.rng.Uint64(), Position: c.rng.Int64()}
		if i%2 == 0 {
			r.TopK = int32(1 + c.rng.IntN(n+5))
		}
		if i%3 == 0 || i%4 == 0 {
			r.TopP = c.rng.Float32()
		}
		if i%5 == 0 {
			r.MinP = c.rng.Float32() * 0.2
		}
		want := drawRef(logits, r)
		require.Equal(c, want, c.sample(slices.Clone(logits), r).Token, "%d logits, %+v", n, r)
	}
}

func drawRef(logits []float32, r kernels.SampleRow) int32 {
	order := make([]int32, len(logits))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return -cmp(logits[a], logits[b]) })
	if r.TopK > 0 {
		order = order[:min(int(r.TopK), len(order))]
	}
	z := func(t int32) float64 {
		return (float64(logits[t]) - float64(logits[order[0]])) / float64(r.Temperature)
	}
	if r.TopP > 0 {
		sum, total := 0.0, 0.0
		for _, t := range order {
			total += math.Exp(z(t))
		}
		for i, t := range order {
			if sum += math.Exp(z(t)); sum >= float64(r.TopP)*total {
				order = order[:i+1]
				break
			}
		}
	}
	best, at := math.Inf(-1), int32(-1)
	for _, t := range order {
		if v := z(t) + noise(r, t); v > best && math.Exp(z(t)) >= float64(r.MinP) {
			best, at = v, t
		}
	}
	return at
}

// sampleIndependence: a draw depends on nothing but its own row.
func sampleIndependence(c *context) {
	const n, vocab = 9, 301
	all := c.normal(n*vocab, 2)
	rows := make([]kernels.SampleRow, n)
	for i := range rows {
		rows[i] = kernels.SampleRow{Temperature: float32(i%3) * 0.7, TopK: int32(i % 4 * 10), Seed: uint64(i), Position: 5, Generated: []int32{1, 2}, Frequency: 1}
	}
	dst := make([]kernels.Sampled, n)
	c.dev.Sample(dst, c.floats(all, n, vocab), rows)
	require.NoError(c, c.dev.Sync())
	for i := range rows {
		require.Equal(c, dst[i], c.sample(slices.Clone(all[i*vocab:(i+1)*vocab]), rows[i]), "row %d alone", i)
	}
}

// samplePiece is what a device that shares a row among many gives each, or a multiple.
const samplePiece = 4096

// filters are some of each kind.
func filters() []kernels.SampleRow {
	return []kernels.SampleRow{
		{}, {Temperature: 1}, {Temperature: 1, TopK: 3}, {Temperature: 0.8, TopK: 5000}, {Temperature: 1.2, TopP: 0.37},
		{Temperature: 0.9, TopK: 900, TopP: 0.7}, {Temperature: 1, MinP: 0.2}, {Temperature: 2, TopP: 0.999, MinP: 0.01},
	}
}

// samplePieces: what matters may stand at any place, at either side of where pieces
// meet and in the last, whatever its size.
func samplePieces(c *context) {
	nan := float32(math.NaN())
	for _, vocab := range []int{samplePiece - 1, samplePiece, samplePiece + 1, 3*samplePiece + 77} {
		plain := c.normal(int64(vocab), 1)
		for _, at := range []int{0, 127, 128, samplePiece - 1, samplePiece, 2*samplePiece - 1, vocab - 1} {
			if at >= vocab {
				continue
			}
			likely, broken, alone := slices.Clone(plain), slices.Clone(plain), slices.Repeat([]float32{-inf}, vocab)
			likely[at], broken[at], alone[at] = 500, nan, -3
			infinite := slices.Clone(plain)
			infinite[at], infinite[vocab-1-at] = inf, inf
			for _, r := range filters() {
				r.Seed, r.Position, r.Logprob, r.Logprobs = c.rng.Uint64(), c.rng.Int64N(1000), true, 2
				got := c.sampleRows([][]float32{likely, broken, alone, infinite}, []kernels.SampleRow{r, r, r, r})
				want := kernels.Sampled{Token: int32(at)}
				require.Equal(c, want.Token, got[0].Token, "%d of %d, %+v", at, vocab, r)
				require.Zero(c, got[0].Logprob)
				require.Equal(c, kernels.TokenLogprob{Token: int32(at)}, got[0].Top[0])
				require.Equal(c, kernels.Sampled{Token: -1, Invalid: true}, got[1], "%d of %d, %+v", at, vocab, r)
				want.Top = []kernels.TokenLogprob{{Token: int32(at)}}
				require.Equal(c, want, got[2], "%d of %d, %+v", at, vocab, r)
				require.Contains(c, []int32{int32(at), int32(vocab - 1 - at)}, got[3].Token, "%d of %d, %+v", at, vocab, r)
			}
			c.sampleAdjusted(likely, at)
			c.release()
		}
		require.True(c, c.sample(slices.Repeat([]float32{-inf}, vocab), kernels.SampleRow{Temperature: 1}).Invalid)
	}
}

// sampleAdjusted changes the logit of the likeliest token.
func (c *context) sampleAdjusted(logits []float32, at int) {
	token, other := int32(at), int32(len(logits)-1-at)
	if token == other {
		return
	}
	logits[other] = 400
	bias := []kernels.TokenBias{{Token: other, Bias: 60}, {Token: other, Bias: 60}}
	mask := make([]uint32, (len(logits)+31)/32)
	mask[other/32] |= 1 << (other % 32)
	rows := []kernels.SampleRow{
		{Banned: []int32{token}}, {Bias: bias}, {Mask: mask}, {Frequency: 60, Generated: []int32{token, token, 5}},
		{Presence: 101, Generated: []int32{5, token}}, {Repetition: 2, Prompt: []int32{token}},
	}
	for i, got := range c.sampleRows(slices.Repeat([][]float32{logits}, len(rows)), rows) {
		require.Equal(c, other, got.Token, "%d of %d, %+v", at, len(logits), rows[i])
	}
}

// sampleTies: few different logits, which all pieces have, and rows beside others.
func sampleTies(c *context) {
	for _, kinds := range []int{1, 3} {
		logits := make([]float32, 2*samplePiece+1001)
		for i := range logits {
			logits[i] = float32(c.rng.IntN(kinds))
		}
		rows := filters()
		for i := range rows {
			rows[i].Seed, rows[i].Logprob, rows[i].Logprobs = c.rng.Uint64(), true, 5
		}
		dst := c.sampleRows(slices.Repeat([][]float32{logits}, len(rows)), rows)
		for i, r := range rows {
			if r.Temperature > 0 {
				require.Equal(c, drawRef(logits, r), dst[i].Token, "%+v", r)
			}
			require.Equal(c, dst[i], c.sample(slices.Clone(logits), r), "row %d alone", i)
		}
		first := int32(-1)
		for _, top := range dst[0].Top {
			first += 1 + int32(slices.Index(logits[first+1:], slices.Max(logits)))
			require.Equal(c, first, top.Token, "ties: the lowest ids")
		}
	}
}

// sampleDistribution: draws follow the softmax (chi-squared, 4 degrees of freedom).
func sampleDistribution(c *context) {
	p := []float64{0.5, 0.25, 0.15, 0.07, 0.03}
	logits := make([]float32, len(p))
	counts := make([]float64, len(p))
	const draws = 4000
	for t, v := range p {
		logits[t] = float32(2 * math.Log(v)) // temperature 2 undoes the factor
	}
	for from := int64(0); from < draws; from += 400 {
		for _, got := range c.sampleAt(logits, kernels.SampleRow{Temperature: 2, Seed: 1234}, from, 400) {
			counts[got.Token]++
		}
	}
	chi := 0.0
	for t, v := range p {
		chi += (counts[t] - v*draws) * (counts[t] - v*draws) / (v * draws)
	}
	require.Less(c, chi, 23.5, "one in 10,000; the seed is fixed: %s", fmt.Sprint(counts))
}
