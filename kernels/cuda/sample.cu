// sample: draws a token for each row of logits [m, vocab], as kernels.SampleRow
// says. A block does a row.
//
// Tokens are ordered by keys: the likelier first, then the lower id. Top-k and
// top-p each find the key at which they cut by counting keys, or summing
// probabilities, byte by byte from the top; no sort. Probabilities are summed
// as whole numbers, so that the order of threads does not matter. The draw is
// Gumbel-max: the greatest of z + noise, where the noise is a function of
// seed, position and token (Philox4x32-10, Salmon et al. 2011).
#include "gpu.h"
#include "functions.h"

constexpr i32 WARPS = SAMPLE_THREADS / WARP;
constexpr i32 BINS = 256;
constexpr u32 IN_PROMPT = 1u << 30; // of a count
constexpr double UNIT = 1099511627776.0; // of a sum of probabilities: 2^40 is 1

// Shared is the block's shared memory.
struct Shared {
    u32 listed; // candidates
    u64 bins[BINS];   // weights of keys, by their next byte
    u32 counts[BINS]; // keys
    u64 words[WARPS];
    double sums[WARPS];
    u64 left; // to want in the bin that was chosen
    u32 bin;
    u32 alone; // one key is in it
    u32 bad; // a token is not in the vocabulary
};

DEVICE Shared& mine() { return *reinterpret_cast<Shared*>(shared()); }

// ---- Over the block

DEVICE u64 block_max(u64 v) {
    v = warp_max(v);
    sync();
    if (lane() == 0) mine().words[warp()] = v;
    sync();
    u64 best = 0;
    for (i32 w = 0; w < WARPS; w++) best = greatest(best, mine().words[w]);
    return best;
}

template <class T> DEVICE T block_sum(T v, T (&parts)[WARPS]) {
    v = warp_sum(v);
    sync();
    if (lane() == 0) parts[warp()] = v;
    sync();
    T sum = 0;
    for (i32 w = 0; w < WARPS; w++) sum = sum + parts[w];
    return sum;
}

// ---- Keys

// key orders tokens; NaN is above all.
DEVICE u64 key(float v, i32 token) {
    if (v != v) return ~0ull;
    const u32 b = bits<u32>(v + 0.0f); // no negative zero
    return u64(b ^ (b >> 31 ? 0xffffffffu : 0x80000000u)) << 32 | ~u32(token);
}

DEVICE i32 token_of(u64 key) { return i32(~u32(key)); }
DEVICE bool is_nan(u64 key) { return key == ~0ull; }

// each_logit calls f(token, logit) for a thread's share of a row, QUAD tokens side by
// side and `quads` such at a time: a row's time is that of its loads.
constexpr i32 QUAD = 4;
template <i32 quads, class F> DEVICE void each_logit(const float* logits, i32 vocab, F f) {
    const bool wide = u64(logits) % 16 == 0;
    NO_UNROLL
    for (i32 first = QUAD * thread(); first < vocab; first += QUAD * SAMPLE_THREADS * quads) {
        float v[quads][QUAD];
        UNROLL
        for (i32 q = 0; q < quads; q++) {
            const i32 t = first + QUAD * SAMPLE_THREADS * q;
            if (wide && t + QUAD <= vocab) {
                floats(v[q], load16(logits + t));
            } else {
                UNROLL
                for (i32 i = 0; i < QUAD; i++) v[q][i] = t + i < vocab ? logits[t + i] : 0;
            }
        }
        UNROLL
        for (i32 q = 0; q < quads; q++) {
            const i32 t = first + QUAD * SAMPLE_THREADS * q;
            UNROLL
            for (i32 i = 0; i < QUAD; i++) {
                if (t + i < vocab) f(t + i, v[q][i]);
            }
        }
    }
}

// best is the greatest key of a row that is below `below`, 0 if there is none.
DEVICE u64 best(const float* logits, i32 vocab, u64 below) {
    u64 found = 0;
    each_logit<4>(logits, vocab, [&](i32 t, float v) {
        const u64 k = key(v, t);
        if (k < below || is_nan(k)) found = greatest(found, k);
    });
    return block_max(found);
}

// ---- Log probabilities, of the raw logits

// Normaliser of log-softmax. Where some logits are infinite, they share all
// probability.
struct Normaliser {
    double highest, log;

    DEVICE Normaliser of(const float* logits, i32 vocab, float highest) {
        double sum = 0;
        each_logit<1>(logits, vocab, [&](i32, float v) { sum = sum + (v == highest ? 1.0 : exponential(double(v) - highest)); });
        return {highest, logarithm(block_sum(sum, mine().sums))};
    }
    DEVICE float logprob(const Normaliser& n, float v) { return v == n.highest ? float(-n.log) : float(v - n.highest - n.log); }
};

// likeliest writes the n most likely tokens and returns how many there are.
DEVICE i32 likeliest(TokenLogprob* top, const Normaliser& n, const float* logits, i32 vocab, i32 count) {
    u64 last = ~0ull;
    for (i32 i = 0; i < count; i++) {
        last = best(logits, vocab, last);
        if (last == 0 || logits[token_of(last)] == minus_infinity()) return i;
        if (thread() == 0) top[i] = {token_of(last), Normaliser::logprob(n, logits[token_of(last)])};
    }
    return count;
}

// ---- Adjustments

DEVICE bool repeats(const SampleRow& r) { return r.repetition != 0 && r.repetition != 1; }
DEVICE bool penalises(const SampleRow& r) { return r.presence != 0 || r.frequency != 0 || repeats(r); }

DEVICE bool adjusts(const SampleRow& r) {
    return r.bias[0] < r.bias[1] || r.banned[0] < r.banned[1] || r.masked || penalises(r);
}

// Row is a row to adjust.
struct Row {
    const SampleRow& r;
    const i32* ids;
    i32 vocab;
    float* logits;
    u32* counts; // of tokens

    // has reports whether the vocabulary has a token, and remembers if not.
    DEVICE bool has(const Row& row, i32 token) {
        if (token >= 0 && token < row.vocab) return true;
        mine().bad = 1;
        return false;
    }

    // each calls f for all tokens of a list that the vocabulary has.
    template <class F> DEVICE void each(const Row& row, const i32 (&list)[2], F f) {
        for (i32 i = list[0] + thread(); i < list[1]; i += SAMPLE_THREADS) {
            if (has(row, row.ids[i])) f(row.ids[i]);
        }
    }
};

// add_bias adds the biases of a token in the order of their list: the thread
// of the first does them all.
DEVICE void add_bias(const Row& row) {
    const i32 end = row.r.bias[1];
    for (i32 i = row.r.bias[0] + 2 * thread(); i < end; i += 2 * SAMPLE_THREADS) {
        const i32 token = row.ids[i];
        if (!Row::has(row, token)) continue;
        bool first = true;
        for (i32 k = row.r.bias[0]; k < i; k += 2) first = first && row.ids[k] != token;
        if (!first) continue;
        float v = row.logits[token];
        for (i32 k = i; k < end; k += 2) {
            if (row.ids[k] == token) v = v + bits<float>(row.ids[k + 1]);
        }
        row.logits[token] = v;
    }
}

// penalised is logit v of a token that was generated n times, rounded once.
DEVICE float penalised(const SampleRow& r, float v, u32 n) {
    double x = v;
    if (repeats(r)) x = x > 0 ? x / r.repetition : x * r.repetition;
    if (n > 0) x = x - (double(r.frequency) * n + double(r.presence));
    return float(x);
}

// penalise lowers the logits of tokens seen before, each once: who takes a
// token's count does it.
DEVICE void penalise(const Row& row) {
    const auto clear = [&](i32 t) { row.counts[t] = 0; };
    const auto lower = [&](i32 t) {
        const u32 n = atomic_swap(&row.counts[t], 0);
        if (n != 0) row.logits[t] = penalised(row.r, row.logits[t], n & ~IN_PROMPT);
    };
    Row::each(row, row.r.generated, clear);
    Row::each(row, row.r.prompt, clear);
    sync();
    Row::each(row, row.r.generated, [&](i32 t) { atomic_add(&row.counts[t], 1); });
    Row::each(row, row.r.prompt, [&](i32 t) { atomic_or(&row.counts[t], IN_PROMPT); });
    sync();
    Row::each(row, row.r.generated, lower);
    Row::each(row, row.r.prompt, lower);
}

// adjust copies the raw logits and changes them: bias, penalties, bans, mask.
DEVICE void adjust(const Row& row, const float* raw) {
    each_logit<2>(raw, row.vocab, [&](i32 t, float v) { row.logits[t] = v; });
    sync();
    add_bias(row);
    sync();
    if (penalises(row.r)) penalise(row);
    sync();
    Row::each(row, row.r.banned, [&](i32 t) { row.logits[t] = minus_infinity(); });
    sync();
    if (!row.r.masked) return;
    const i32* mask = row.ids + row.r.mask[0];
    const i64 allowed = i64(row.r.mask[1] - row.r.mask[0]) * 32;
    NO_UNROLL
    for (i32 t = thread(); t < row.vocab; t += SAMPLE_THREADS) {
        if (t >= allowed || !(u32(mask[t / 32]) >> t % 32 & 1)) row.logits[t] = minus_infinity();
    }
    sync();
}

// ---- Filters

// Candidates are the tokens that may be drawn: those with a key of at least
// `cut`. z is the scaled logit, 0 for the
// likeliest. Where some logits are infinite, they alone may be, all alike.
//
// Passes over the vocabulary are what sampling costs. The first of a filter finds a
// limit such that all it keeps lies above, of LIMITS of z; that few are listed, and
// later passes see these alone.
struct Candidates {
    const float* logits;
    i32 vocab;
    float highest;
    double temperature;
    u64 cut;
    i32* list; // [vocab]
    i32 count; // of list; -1: the whole vocabulary

    // key_of is 0 for a token that may not be drawn.
    DEVICE u64 key_of(const Candidates& c, i32 t, float v) {
        const bool none = v == minus_infinity() || (c.highest == infinity() && v != infinity());
        const u64 k = none ? 0 : key(v, t);
        return k >= c.cut ? k : 0;
    }
    DEVICE double z(const Candidates& c, float v) { return c.highest == infinity() ? 0 : (double(v) - c.highest) / c.temperature; }
    // at is the logit whose z is `z`, or one beside it.
    DEVICE float at(const Candidates& c, double z) { return float(c.highest + z * c.temperature); }

    // each calls f(token, logit, key) for those that are left.
    template <class F> DEVICE void each(const Candidates& c, F f) {
        const auto look = [&](i32 t, float v) {
            const u64 k = key_of(c, t, v);
            if (k != 0) f(t, v, k);
        };
        if (c.count < 0) {
            each_logit<1>(c.logits, c.vocab, look);
            return;
        }
        NO_UNROLL
        for (i32 i = thread(); i < c.count; i += SAMPLE_THREADS) look(c.list[i], c.logits[c.list[i]]);
    }

    // narrow lists those with a logit of at least `lowest`.
    DEVICE void narrow(Candidates& c, float lowest) {
        if (thread() == 0) mine().listed = 0;
        sync();
        each_logit<4>(c.logits, c.vocab, [&](i32 t, float v) {
            if (v >= lowest && key_of(c, t, v) != 0) c.list[atomic_add(&mine().listed, 1)] = t;
        });
        sync();
        c.count = i32(mine().listed);
    }
};

constexpr i32 LIMITS = 8;
DEVICE float limit(const Candidates& c, i32 i) { return Candidates::at(c, i < 4 ? -(1 << i) : -8.0 * (i - 2)); } // -1 -2 -4 -8 -16 ... -40

// Shares are weights of tokens above each limit but below the one before.
struct Shares {
    u64 of[LIMITS];
    float limits[LIMITS];

    DEVICE Shares begin(const Candidates& c) {
        Shares s;
        UNROLL
        for (i32 i = 0; i < LIMITS; i++) s.of[i] = 0, s.limits[i] = limit(c, i);
        return s;
    }
    DEVICE void add(Shares& s, float v, u64 weight) {
        bool above = false;
        UNROLL
        for (i32 i = 0; i < LIMITS; i++) {
            if (!above && v >= s.limits[i]) s.of[i] += weight;
            above = above || v >= s.limits[i];
        }
    }
    // narrow leaves tokens above the first limit that have weights of `want` in all, if
    // there is one.
    DEVICE void narrow(Shares& s, Candidates& c, u64 want) {
        u64 sum = 0;
        bool found = false;
        float lowest = 0;
        UNROLL
        for (i32 i = 0; i < LIMITS; i++) {
            sum += block_sum(s.of[i], mine().words);
            if (!found && sum >= want) found = true, lowest = s.limits[i];
        }
        if (found) Candidates::narrow(c, lowest);
    }
};

// choose_bin finds, from the highest, the bin in which the sum of weights
// reaches want. It returns false if all are not enough. One warp does it, a
// lane 8 bins.
DEVICE bool choose_bin(u64 want) {
    if (warp() == 0) {
        const i32 highest = BINS - 1 - 8 * lane();
        u64 sum = 0;
        for (i32 i = 0; i < 8; i++) sum += mine().bins[highest - i];
        u64 upto = sum;
        for (i32 by = 1; by < WARP; by *= 2) {
            const u64 above = shuffle_up(upto, by);
            if (lane() >= by) upto += above;
        }
        u64 before = upto - sum;
        if (lane() == WARP - 1 && upto < want) mine().bin = BINS;
        for (i32 i = 0; i < 8; i++) {
            const u64 n = mine().bins[highest - i];
            if (before < want && before + n >= want) {
                mine().bin = u32(highest - i);
                mine().left = want - before;
                mine().alone = mine().counts[highest - i] == 1;
            }
            before += n;
        }
    }
    sync();
    return mine().bin < BINS;
}

// cut_at returns a number that is at most the greatest key such that the
// weights of it and of all greater keys reach want, and above the next lower
// key, but never below the present cut; that one if they never do.
template <class Weight> DEVICE u64 cut_at(const Candidates& c, u64 want, Weight weight) {
    u64 prefix = 0;
    NO_UNROLL
    for (i32 shift = 56; shift >= 0; shift -= 8) {
        for (i32 b = thread(); b < BINS; b += SAMPLE_THREADS) mine().bins[b] = mine().counts[b] = 0;
        sync();
        Candidates::each(c, [&](i32, float v, u64 k) {
            if (shift < 56 && (k ^ prefix) >> (shift + 8) != 0) return;
            const i32 b = k >> shift & (BINS - 1);
            atomic_add(&mine().bins[b], weight(v));
            atomic_add(&mine().counts[b], 1);
        });
        sync();
        if (!choose_bin(want)) return c.cut;
        prefix |= u64(mine().bin) << shift;
        want = mine().left;
        if (mine().alone) break; // no other key begins like this
    }
    return greatest(prefix, c.cut); // a short prefix may lie below the present cut
}

// keep_most keeps the k likeliest tokens.
DEVICE void keep_most(Candidates& c, i32 k) {
    Shares shares = Shares::begin(c);
    each_logit<4>(c.logits, c.vocab, [&](i32 t, float v) {
        if (Candidates::key_of(c, t, v) != 0) Shares::add(shares, v, 1);
    });
    Shares::narrow(shares, c, u64(k));
    c.cut = cut_at(c, u64(k), [](float) { return u64(1); });
}

// keep_nucleus keeps the smallest set of the likeliest tokens with a share of
// p of all.
DEVICE void keep_nucleus(Candidates& c, float p) {
    const double least_z = -28; // below, e^z is no unit
    const auto mass = [&](float v) {
        const double z = Candidates::z(c, v);
        return z < least_z ? 0 : u64(exponential(z) * UNIT);
    };
    u64 sum = 0;
    Shares shares = Shares::begin(c);
    Candidates::each(c, [&](i32, float v, u64) {
        const u64 m = mass(v);
        sum += m;
        Shares::add(shares, v, m);
    });
    const double want = double(p) * double(block_sum(sum, mine().words));
    const u64 whole = u64(want), least = greatest<u64>(1, double(whole) < want ? whole + 1 : whole);
    if (c.count < 0) Shares::narrow(shares, c, least);
    c.cut = cut_at(c, least, mass);
}

// ---- Noise

struct Philox { u32 v[4]; };

DEVICE Philox philox(Philox c, u64 seed) {
    u32 k0 = u32(seed), k1 = u32(seed >> 32);
    UNROLL
    for (i32 i = 0; i < 10; i++) {
        const u64 a = u64(0xD2511F53u) * c.v[0], b = u64(0xCD9E8D57u) * c.v[2];
        c = {{u32(b >> 32) ^ c.v[1] ^ k0, u32(b), u32(a >> 32) ^ c.v[3] ^ k1, u32(a)}};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

// uniform is a token's number in (0, 1), 52 bits, of the pair's block.
DEVICE double uniform(const Philox& pair, i32 token) {
    const bool odd = token % 2;
    const u64 word = u64(odd ? pair.v[3] : pair.v[1]) << 32 | (odd ? pair.v[2] : pair.v[0]);
    return (double(word >> 12) + 0.5) * 0x1p-52;
}

DEVICE Philox pair_of(const SampleRow& r, i32 token) {
    return philox({{u32(token / 2), 0, u32(r.position), u32(u64(r.position) >> 32)}}, r.seed);
}

// cannot_reach reports that noise -ln(-ln u) is certainly below gap: -ln u is
// at least 1-u, which exceeds 2^-k >= e^-gap.
DEVICE bool cannot_reach(double u, double gap) {
    if (!(gap >= 1)) return false;
    const i32 k = i32(least(gap, 60.0) * (1.4426950408889634 * (1 - 1e-12)));
    return 1 - u > bits<double>(u64(1023 - k) << 52) * (1 + 1e-12);
}

DEVICE double gumbel(double u) { return -logarithm(-logarithm(u)); }

// draw returns the candidate with the greatest z + noise; of equal ones the
// lowest. The likeliest token is one, so what it has is a bound from below.
DEVICE i32 draw(Candidates& c, const SampleRow& r, i32 likeliest) {
    const double most_noise = 37; // of u = 1 - 2^-53
    const double lowest = r.minP > 0 ? logarithm(double(r.minP)) : -1e308;
    double most = gumbel(uniform(pair_of(r, likeliest), likeliest));
    i32 token = likeliest;
    if (c.count < 0 && c.highest != infinity() && lowest > -20) Candidates::narrow(c, Candidates::at(c, lowest - 0.01));
    Candidates::each(c, [&](i32 t, float logit, u64) {
        const double z = Candidates::z(c, logit);
        if (!(z >= lowest) || z + most_noise < most) return;
        const double u = uniform(pair_of(r, t), t);
        if (cannot_reach(u, most - z)) return;
        const double v = z + gumbel(u);
        if (v > most || (v == most && t < token)) {
            most = v;
            token = t;
        }
    });
    // The greatest number, as a whole one in the same order; then the token.
    const u64 b = bits<u64>(most + 0.0);
    const u64 ordered = b ^ (b >> 63 ? ~0ull : 1ull << 63);
    const u64 winner = block_max(ordered);
    return token_of(block_max(ordered == winner ? u64(~u32(token)) : 0));
}

// choose draws from adjusted logits whose best key is `top`; -1: nothing is left. list
// has room for the vocabulary.
DEVICE i32 choose(const SampleRow& r, const float* logits, i32 vocab, u64 top, i32* list) {
    if (top == 0 || is_nan(top) || logits[token_of(top)] == minus_infinity()) return -1;
    const i32 likeliest = token_of(top);
    if (!(r.temperature > 0)) return likeliest;
    Candidates c = {logits, vocab, logits[likeliest], r.temperature, 0, list, -1};
    if (r.topK > 0 && r.topK < vocab) keep_most(c, r.topK);
    if (r.topP > 0 && r.topP < 1) keep_nucleus(c, r.topP);
    return draw(c, r, likeliest);
}

KERNEL(sample, SampleArgs, SAMPLE_THREADS, 1) {
    const i64 row = block_x();
    const SampleRow& r = args.rows[row];
    const float* raw = args.logits + row * args.vocab;
    u32* counts = args.scratch + row * args.vocab * SAMPLE_SCRATCH;
    float* adjusted = reinterpret_cast<float*>(counts + args.vocab);
    TokenLogprob* top = args.top + row * args.maxTop;
    if (thread() == 0) mine().bad = 0;

    const u64 first = best(raw, args.vocab, ~0ull);
    Sampled out = {-1, 0, 0, 1};
    if (!is_nan(first)) {
        Normaliser n = {};
        if (r.logprob || r.logprobs > 0) {
            n = Normaliser::of(raw, args.vocab, raw[token_of(first)]);
            out.tops = likeliest(top, n, raw, args.vocab, least(r.logprobs, args.vocab));
        }
        i32* list = reinterpret_cast<i32*>(counts);
        if (adjusts(r)) {
            adjust({r, args.ids, args.vocab, adjusted, counts}, raw);
            out.token = choose(r, adjusted, args.vocab, best(adjusted, args.vocab, ~0ull), list);
        } else {
            out.token = choose(r, raw, args.vocab, first, list);
        }
        if (mine().bad) out.token = -1;
        out.invalid = out.token < 0;
        if (r.logprob && !out.invalid) out.logprob = Normaliser::logprob(n, raw[out.token]);
    }
    if (out.invalid) out = {-1, 0, 0, 1};
    if (thread() == 0) args.out[row] = out;
}
