// sample_scan, sample_draw and sample_pick draw a token for each row of logits [m, vocab],
// as kernels.SampleRow says. Many blocks share a row: each has a piece of SAMPLE_PIECE
// tokens, whatever rows are beside it, so that no sum's order depends on them.
//
//   scan  adjusts logits and finds the best token of each piece, and of each group of it
//   draw  draws a token of each piece; where top-p is to cut, it weighs tokens instead
//   pick  does the rest, a block a row: it reads what pieces found, and of the logits
//         only those groups whose best is good enough
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
constexpr u32 IN_PROMPT = 1u << 30; // of a count
constexpr double UNIT = 1099511627776.0; // of a sum of probabilities: 2^40 is 1
constexpr i32 QUAD = 4; // tokens that a thread reads at once
static_assert(SAMPLE_GROUP == WARP * QUAD, "a warp reads a group at once");
constexpr i32 QUADS = SAMPLE_PIECE / (QUAD * SAMPLE_THREADS); // of a thread in a piece
static_assert(QUADS * QUAD <= 32, "a thread's tokens are the bits of a word");
static_assert(SAMPLE_BINS == 8 * WARP && SAMPLE_BINS == 1 << 8, "a lane has 8 bins, a bin a byte of a key");

// Shared is the block's shared memory.
struct Shared {
    u64 bins[SAMPLE_BINS];   // weights of keys, by their next byte
    u32 counts[SAMPLE_BINS]; // keys
    u64 words[WARPS];
    double sums[WARPS];
    u32 bin; // that was chosen
    u32 alone; // one key is in it
    u64 left; // to want in it
    u32 listed; // candidates
    u32 bad; // a token is not in the vocabulary
};

DEVICE Shared& mine() { return *reinterpret_cast<Shared*>(shared()); }

// Adjusted is a piece whose logits are being changed, behind what is Shared.
struct Adjusted {
    float logits[SAMPLE_PIECE];
    u32 counts[SAMPLE_PIECE]; // of tokens
};

DEVICE Adjusted& adjusted() { return *reinterpret_cast<Adjusted*>(shared() + sizeof(Shared)); }

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

DEVICE float logit_of(u64 key) {
    const u32 high = u32(key >> 32);
    return bits<float>(high ^ (high >> 31 ? 0x80000000u : 0xffffffffu));
}

// least_key is below the keys of all tokens with this logit, above those with a lower one.
DEVICE u64 least_key(float v) { return key(v, -1); }

// nothing reports whether the best key is of no token that can be drawn.
DEVICE bool nothing(u64 best) { return is_nan(best) || logit_of(best) == minus_infinity(); }

// ---- A row

DEVICE bool repeats(const SampleRow& r) { return r.repetition != 0 && r.repetition != 1; }
DEVICE bool penalises(const SampleRow& r) { return r.presence != 0 || r.frequency != 0 || repeats(r); }

DEVICE bool adjusts(const SampleRow& r) {
    return r.bias[0] < r.bias[1] || r.banned[0] < r.banned[1] || r.masked || penalises(r);
}

DEVICE bool keeps_most(const SampleRow& r, i32 vocab) { return r.topK > 0 && r.topK < vocab; }
DEVICE bool keeps_nucleus(const SampleRow& r) { return r.topP > 0 && r.topP < 1; }
DEVICE bool wants_logprobs(const SampleRow& r) { return r.logprob || r.logprobs > 0; }

// Row is a row of logits, and what blocks tell each other of it.
struct Row {
    const SampleRow& r;
    i32 vocab, groups, pieces;
    const float *raw, *logits; // to draw from
    const u64 *rawKeys, *keys; // the best of each group
    const SamplePiece* piece;
    u64 *bins, *list;

    DEVICE Row of(const SampleArgs& args, i64 row) {
        const i32 groups = (args.vocab + SAMPLE_GROUP - 1) / SAMPLE_GROUP, pieces = (args.vocab + SAMPLE_PIECE - 1) / SAMPLE_PIECE;
        const SampleRow& r = args.rows[row];
        const float* raw = args.logits + row * args.vocab;
        const u64* rawKeys = args.keys + row * 2 * groups;
        const bool changed = adjusts(r);
        return {r, args.vocab, groups, pieces, raw, changed ? args.adjusted + row * args.vocab : raw,
                rawKeys, changed ? rawKeys + groups : rawKeys, args.pieces + row * pieces, args.bins + row * SAMPLE_BINS, args.list + row * args.vocab};
    }
    // best is the greatest key of what is drawn from, raw_best that of the raw logits.
    DEVICE u64 best(const Row& row) {
        u64 k = 0;
        for (i32 p = thread(); p < row.pieces; p += SAMPLE_THREADS) k = greatest(k, row.piece[p].best);
        return block_max(k);
    }
    DEVICE u64 raw_best(const Row& row) {
        u64 k = 0;
        for (i32 p = thread(); p < row.pieces; p += SAMPLE_THREADS) k = greatest(k, row.piece[p].rawBest);
        return block_max(k);
    }
};

// read reads logits of the tokens from t on; beyond the vocabulary they are -inf.
DEVICE void read(float (&v)[QUAD], const float* logits, i32 t, i32 vocab) {
    if (u64(logits) % 16 == 0 && t + QUAD <= vocab) {
        floats(v, load16(logits + t));
        return;
    }
    UNROLL
    for (i32 i = 0; i < QUAD; i++) v[i] = t + i < vocab ? logits[t + i] : minus_infinity();
}

// place is where a thread's quad of a piece stands in it.
DEVICE i32 place(i32 quad) { return QUAD * (quad * SAMPLE_THREADS + thread()); }

// Piece is a thread's share of one: all its loads are on their way at once.
struct Piece {
    i32 first; // token of the block's
    float v[QUADS][QUAD];

    DEVICE Piece of(const float* logits, i32 number, i32 vocab) {
        Piece p;
        p.first = number * SAMPLE_PIECE;
        UNROLL
        for (i32 q = 0; q < QUADS; q++) read(p.v[q], logits, p.first + place(q), vocab);
        return p;
    }
    // each calls f(token, logit).
    template <class F> DEVICE void each(const Piece& p, F f) {
        UNROLL
        for (i32 q = 0; q < QUADS; q++) {
            UNROLL
            for (i32 i = 0; i < QUAD; i++) f(p.first + place(q) + i, p.v[q][i]);
        }
    }
    // best writes the greatest key of each group and returns that of the piece.
    DEVICE u64 best(const Piece& p, u64* keys, i32 groups) {
        u64 best = 0;
        UNROLL
        for (i32 q = 0; q < QUADS; q++) {
            u64 found = 0;
            UNROLL
            for (i32 i = 0; i < QUAD; i++) found = greatest(found, key(p.v[q][i], p.first + place(q) + i));
            found = warp_max(found);
            const i32 group = (p.first + place(q)) / SAMPLE_GROUP;
            if (lane() == 0 && group < groups) keys[group] = found;
            best = greatest(best, found);
        }
        return block_max(best);
    }
};

// ---- Adjustments

// Adjustment is of a piece of a row.
struct Adjustment {
    const SampleRow& r;
    const i32* ids;
    i32 vocab, first;

    // has reports whether a token is of the piece, and remembers if the vocabulary
    // lacks it.
    DEVICE bool has(const Adjustment& a, i32 token) {
        if (token < 0 || token >= a.vocab) mine().bad = 1;
        else return token >= a.first && token - a.first < SAMPLE_PIECE;
        return false;
    }

    // each calls f for the places of a list's tokens that are of the piece.
    template <class F> DEVICE void each(const Adjustment& a, const i32 (&list)[2], F f) {
        for (i32 i = list[0] + thread(); i < list[1]; i += SAMPLE_THREADS) {
            if (has(a, a.ids[i])) f(a.ids[i] - a.first);
        }
    }
};

// add_bias adds the biases of a token in the order of their list: the thread
// of the first does them all.
DEVICE void add_bias(const Adjustment& a) {
    const i32 end = a.r.bias[1];
    for (i32 i = a.r.bias[0] + 2 * thread(); i < end; i += 2 * SAMPLE_THREADS) {
        const i32 token = a.ids[i];
        if (!Adjustment::has(a, token)) continue;
        bool first = true;
        for (i32 k = a.r.bias[0]; k < i; k += 2) first = first && a.ids[k] != token;
        if (!first) continue;
        float& v = adjusted().logits[token - a.first];
        for (i32 k = i; k < end; k += 2) {
            if (a.ids[k] == token) v = v + bits<float>(a.ids[k + 1]);
        }
    }
}

// penalised is logit v of a token that was generated n times, rounded once.
DEVICE float penalised(const SampleRow& r, float v, u32 n) {
    double x = v;
    if (repeats(r)) x = x > 0 ? x / r.repetition : x * r.repetition;
    if (n > 0) x = x - (double(r.frequency) * n + double(r.presence));
    return float(x);
}

// penalise lowers the logits of tokens seen before, each once.
DEVICE void penalise(const Adjustment& a) {
    u32* counts = adjusted().counts;
    for (i32 i = thread(); i < SAMPLE_PIECE; i += SAMPLE_THREADS) counts[i] = 0;
    sync();
    Adjustment::each(a, a.r.generated, [&](i32 i) { atomic_add(&counts[i], 1); });
    Adjustment::each(a, a.r.prompt, [&](i32 i) { atomic_or(&counts[i], IN_PROMPT); });
    sync();
    NO_UNROLL
    for (i32 i = thread(); i < SAMPLE_PIECE; i += SAMPLE_THREADS) {
        float& v = adjusted().logits[i];
        if (counts[i] != 0) v = penalised(a.r, v, counts[i] & ~IN_PROMPT);
    }
}

// adjust changes the logits of a piece: bias, penalties, bans, mask. What is beyond the
// vocabulary stays -inf.
DEVICE void adjust(Piece& p, const Adjustment& a) {
    float* logits = adjusted().logits;
    Piece::each(p, [&](i32 t, float v) { logits[t - p.first] = v; });
    sync();
    add_bias(a);
    sync();
    if (penalises(a.r)) penalise(a);
    sync();
    Adjustment::each(a, a.r.banned, [&](i32 i) { logits[i] = minus_infinity(); });
    sync();
    const i32* mask = a.ids + a.r.mask[0];
    const i64 allowed = a.r.masked ? i64(a.r.mask[1] - a.r.mask[0]) * 32 : a.vocab;
    UNROLL
    for (i32 q = 0; q < QUADS; q++) {
        const i32 t = p.first + place(q);
        const u32 word = t >= allowed ? 0 : a.r.masked ? u32(mask[t / 32]) >> t % 32 : ~0u;
        UNROLL
        for (i32 i = 0; i < QUAD; i++) p.v[q][i] = word >> i & 1 ? logits[place(q) + i] : minus_infinity();
    }
}

KERNEL(sample_scan, SampleArgs, SAMPLE_THREADS, 2) {
    const i64 row = block_x();
    const i32 number = block_y();
    const Row known = Row::of(args, row);
    const SampleRow& r = known.r;
    u64* keys = args.keys + row * 2 * known.groups;
    Piece p = Piece::of(known.raw, number, args.vocab);
    if (number == 0) {
        for (i32 b = thread(); b < SAMPLE_BINS; b += SAMPLE_THREADS) known.bins[b] = 0; // for sample_draw
    }
    if (thread() == 0) mine().bad = 0;
    const u64 raw = Piece::best(p, keys, known.groups);
    double sum = 0;
    if (wants_logprobs(r) && !is_nan(raw)) {
        const float highest = logit_of(raw);
        Piece::each(p, [&](i32, float v) { sum = sum + (v == highest ? 1.0 : exponential(double(v) - highest)); });
        sum = block_sum(sum, mine().sums);
    }
    u64 best = raw;
    if (adjusts(r)) {
        adjust(p, {r, args.ids, args.vocab, p.first});
        float* to = args.adjusted + row * args.vocab;
        Piece::each(p, [&](i32 t, float v) {
            if (t < args.vocab) to[t] = v;
        });
        best = Piece::best(p, keys + known.groups, known.groups);
    }
    if (thread() == 0) args.pieces[row * known.pieces + number] = {raw, best, sum, 0, 0, i32(mine().bad)};
}

// ---- Lists

// list writes the keys of at least `lowest` to the row's list, in any order, and returns
// how many there are. A warp looks into those of 32 groups whose best is one of them.
DEVICE i32 list(const Row& row, const float* logits, const u64* keys, u64 lowest) {
    constexpr i32 batch = 4; // groups that are on their way
    sync();
    if (thread() == 0) mine().listed = 0;
    sync();
    NO_UNROLL
    for (i32 first = WARP * warp(); first < row.groups; first += SAMPLE_THREADS) {
        const i32 group = first + lane();
        u32 some = ballot(group < row.groups && keys[least(group, row.groups - 1)] >= lowest);
        while (some != 0) {
            float v[batch][QUAD];
            i32 tokens[batch];
            UNROLL
            for (i32 k = 0; k < batch; k++) {
                const i32 bit = highest_bit(some); // -1: none is left
                tokens[k] = bit < 0 ? row.vocab : (first + bit) * SAMPLE_GROUP + QUAD * lane();
                some = bit < 0 ? 0 : some ^ 1u << bit;
                read(v[k], logits, tokens[k], row.vocab);
            }
            UNROLL
            for (i32 k = 0; k < batch; k++) {
                u64 found[QUAD];
                u32 who[QUAD], all = 0;
                UNROLL
                for (i32 i = 0; i < QUAD; i++) {
                    found[i] = key(v[k][i], tokens[k] + i);
                    who[i] = ballot(tokens[k] < row.vocab && found[i] >= lowest);
                    all += u32(count_ones(who[i]));
                }
                if (all == 0) continue;
                u32 at = shuffle(lane() == 0 ? atomic_add(&mine().listed, all) : 0, 0);
                UNROLL
                for (i32 i = 0; i < QUAD; i++) {
                    if (who[i] >> lane() & 1) row.list[at + count_ones(who[i] & ((1u << lane()) - 1))] = found[i];
                    at += u32(count_ones(who[i]));
                }
            }
        }
    }
    sync();
    return i32(mine().listed);
}

// choose_bin finds, from the highest, the bin in which the sum of weights
// reaches want. It returns false if all are not enough. One warp does it, a
// lane 8 bins.
DEVICE bool choose_bin(u64 want) {
    if (warp() == 0) {
        const i32 highest = SAMPLE_BINS - 1 - 8 * lane();
        u64 sum = 0;
        for (i32 i = 0; i < 8; i++) sum += mine().bins[highest - i];
        u64 upto = sum;
        for (i32 by = 1; by < WARP; by *= 2) {
            const u64 above = shuffle_up(upto, by);
            if (lane() >= by) upto += above;
        }
        u64 before = upto - sum;
        if (lane() == WARP - 1 && upto < want) mine().bin = SAMPLE_BINS;
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
    return mine().bin < SAMPLE_BINS;
}

// highest_bit of 64.
DEVICE i32 highest_bit(u64 v) { return v >> 32 ? 32 + highest_bit(u32(v >> 32)) : highest_bit(u32(v)); }

// cut_at returns a number that is at most the greatest key such that the
// weights of it and of all greater keys reach want, and above the next lower
// key, but never below the present cut; that one if they never do. It begins at the
// first bit in which keys differ.
template <class Weight> DEVICE u64 cut_at(const u64* keys, i32 count, u64 cut, u64 want, Weight weight) {
    u64 most = 0, not_least = 0;
    for (i32 i = thread(); i < count; i += SAMPLE_THREADS) {
        const u64 k = keys[i];
        if (k >= cut) most = greatest(most, k), not_least = greatest(not_least, ~k);
    }
    most = block_max(most);
    i32 shift = greatest(highest_bit(most ^ ~block_max(not_least)) - 7, 0);
    u64 fixed = shift < 56 ? ~0ull << (shift + 8) : 0, prefix = most & fixed;
    NO_UNROLL
    for (;;) {
        for (i32 b = thread(); b < SAMPLE_BINS; b += SAMPLE_THREADS) mine().bins[b] = mine().counts[b] = 0;
        sync();
        for (i32 i = thread(); i < count; i += SAMPLE_THREADS) {
            const u64 k = keys[i];
            if (k < cut || ((k ^ prefix) & fixed) != 0) continue;
            const i32 b = k >> shift & (SAMPLE_BINS - 1);
            atomic_add(&mine().bins[b], weight(k));
            atomic_add(&mine().counts[b], 1);
        }
        sync();
        if (!choose_bin(want)) return cut;
        prefix |= u64(mine().bin) << shift;
        want = mine().left;
        if (mine().alone || shift == 0) break; // no other key begins like this
        fixed = ~0ull << shift;
        shift = greatest(shift - 8, 0);
    }
    return greatest(prefix, cut); // a short prefix may lie below the present cut
}

DEVICE u64 one(u64) { return 1; }

// cut_of_groups is at most the key of the count-th token, and below it are all tokens
// but those of `count` groups.
DEVICE u64 cut_of_groups(const Row& row, const u64* keys, u64 cut, i32 count) { return cut_at(keys, row.groups, cut, u64(count), one); }

// ---- Log probabilities, of the raw logits

constexpr u64 FINITE = 0x0080000000000000ull; // no key of -inf is as great, all others are

// Normaliser of log-softmax. Where some logits are infinite, they share all
// probability.
struct Normaliser {
    double highest, log;

    DEVICE Normaliser of(const Row& row, float highest) {
        double sum = 0;
        for (i32 p = thread(); p < row.pieces; p += SAMPLE_THREADS) {
            const float own = logit_of(row.piece[p].rawBest);
            sum = sum + row.piece[p].sum * (own == highest ? 1.0 : exponential(double(own) - highest));
        }
        return {highest, logarithm(block_sum(sum, mine().sums))};
    }
    DEVICE float logprob(const Normaliser& n, float v) { return v == n.highest ? float(-n.log) : float(v - n.highest - n.log); }
};

// likeliest writes the most likely tokens, up to count, and returns how many there are.
DEVICE i32 likeliest(TokenLogprob* top, const Normaliser& n, const Row& row, i32 count) {
    const i32 found = list(row, row.raw, row.rawKeys, cut_of_groups(row, row.rawKeys, FINITE, count));
    for (i32 i = thread(); i < found; i += SAMPLE_THREADS) {
        const u64 k = row.list[i];
        i32 before = 0;
        for (i32 other = 0; other < found; other++) before += row.list[other] > k;
        if (before < count) top[before] = {token_of(k), Normaliser::logprob(n, logit_of(k))};
    }
    return least(found, count);
}

// ---- Candidates

// Candidates are the tokens that may be drawn: those with a key of at least
// `cut`. z is the scaled logit, 0 for the likeliest. Where some logits are infinite,
// they alone may be, all alike.
struct Candidates {
    const Row& row;
    float highest;
    double temperature;
    u64 cut;
    i32 count; // of the row's list, which has them once a filter was there; -1 before

    DEVICE Candidates of(const Row& row, u64 best) {
        const float highest = logit_of(best);
        return {row, highest, row.r.temperature, highest == infinity() ? least_key(highest) : FINITE, -1};
    }
    DEVICE double z(const Candidates& c, float v) { return c.highest == infinity() ? 0 : (double(v) - c.highest) / c.temperature; }
    // at is the logit whose z is `z`, or one beside it.
    DEVICE float at(const Candidates& c, double z) { return float(c.highest + z * c.temperature); }
    // mass is e^z, 0 where that is no unit.
    DEVICE u64 mass(const Candidates& c, float v) {
        const double z = Candidates::z(c, v);
        return z < -28 ? 0 : u64(exponential(z) * UNIT);
    }
    // narrow lists those with keys of at least `lowest`.
    DEVICE void narrow(Candidates& c, u64 lowest) { c.count = list(c.row, c.row.logits, c.row.keys, greatest(lowest, c.cut)); }
};

// Bins of mass have an eighth of z each, the last the likeliest.
constexpr i32 PER_Z = 8;
static_assert(28 * PER_Z < SAMPLE_BINS, "what has mass has a bin");

// weigh adds the mass of a piece to the row's bins.
DEVICE void weigh(const Candidates& c, const Piece& p, u64* bins) {
    for (i32 b = thread(); b < SAMPLE_BINS; b += SAMPLE_THREADS) mine().bins[b] = 0;
    sync();
    Piece::each(p, [&](i32 t, float v) {
        const u64 m = key(v, t) >= c.cut ? Candidates::mass(c, v) : 0;
        if (m != 0) atomic_add(&mine().bins[SAMPLE_BINS - 1 - i32(-Candidates::z(c, v) * PER_Z)], m);
    });
    sync();
    for (i32 b = thread(); b < SAMPLE_BINS; b += SAMPLE_THREADS) {
        if (mine().bins[b] != 0) atomic_add(&bins[b], mine().bins[b]);
    }
}

// keep_most keeps the k likeliest tokens.
DEVICE void keep_most(Candidates& c, i32 k) {
    Candidates::narrow(c, cut_of_groups(c.row, c.row.keys, c.cut, k));
    c.cut = cut_at(c.row.list, c.count, c.cut, u64(k), one);
}

// keep_nucleus keeps the smallest set of the likeliest tokens with a share of
// p of all. Those of the whole vocabulary were weighed.
DEVICE void keep_nucleus(Candidates& c, float p) {
    const u64* keys = c.row.list;
    const auto mass = [&](u64 k) { return Candidates::mass(c, logit_of(k)); };
    const bool weighed = c.count < 0;
    u64 sum = 0;
    if (weighed) {
        for (i32 b = thread(); b < SAMPLE_BINS; b += SAMPLE_THREADS) sum += mine().bins[b] = c.row.bins[b], mine().counts[b] = 0;
    } else {
        for (i32 i = thread(); i < c.count; i += SAMPLE_THREADS) sum += keys[i] >= c.cut ? mass(keys[i]) : 0;
    }
    const double want = double(p) * double(block_sum(sum, mine().words));
    const u64 whole = u64(want), least = greatest<u64>(1, double(whole) < want ? whole + 1 : whole);
    if (weighed) {
        const bool found = choose_bin(least);
        Candidates::narrow(c, found ? least_key(Candidates::at(c, -double(SAMPLE_BINS - i32(mine().bin)) / PER_Z - 0.01)) : 0);
    }
    c.cut = cut_at(keys, c.count, c.cut, least, mass);
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

// pair_of is the block of random numbers that a token shares with the one beside it.
DEVICE Philox pair_of(const SampleRow& r, i32 token) {
    return philox({{u32(token / 2), 0, u32(r.position), u32(u64(r.position) >> 32)}}, r.seed);
}

DEVICE u32 high_word(const Philox& pair, i32 token) { return token % 2 ? pair.v[3] : pair.v[1]; }

// uniform is a token's number in (0, 1), 52 bits, of the pair's block.
DEVICE double uniform(const Philox& pair, i32 token) {
    const u64 word = u64(high_word(pair, token)) << 32 | (token % 2 ? pair.v[2] : pair.v[0]);
    return (double(word >> 12) + 0.5) * 0x1p-52;
}

DEVICE double gumbel(double u) { return -logarithm(-logarithm(u)); }

// Draw is the candidate with the greatest z + noise; of equal ones the lowest. The
// likeliest token is one, so what it has is a bound from below.
struct Draw {
    const Candidates& c;
    double lowest; // z that may be
    float scale, above; // e^(z - most) is 2^(scale (logit - highest) - above), about
    double most;
    i32 token;

    DEVICE Draw of(const Candidates& c, u64 best) {
        const SampleRow& r = c.row.r;
        Draw d = {c, r.minP > 0 ? logarithm(double(r.minP)) : -1e308, least(1.44269504f / r.temperature, 1e38f), 0, 0, 0};
        take(d, gumbel(uniform(pair_of(r, token_of(best)), token_of(best))), token_of(best));
        return d;
    }
    DEVICE void take(Draw& d, double value, i32 token) {
        d.most = value;
        d.above = float(value) * 1.44269504f;
        d.token = token;
    }
    // may_win is false only for a token that is certainly not the greatest: noise
    // -ln(-ln u) is at most -ln(1-u), which is below most - z where 1-u exceeds e^(z-most).
    // That is computed in float, to much better than a thousandth; NaN may win.
    DEVICE bool may_win(const Draw& d, float v, u32 high) {
        const float apart = greatest(v - d.c.highest, -3e38f);
        return !(float(~high) * 0x1p-32f > 1.001f * approx_exp2(fma(apart, d.scale, -d.above)));
    }
    // look looks at a token, and takes it if it is greater.
    DEVICE void look(Draw& d, i32 t, float v) {
        const Philox pair = pair_of(d.c.row.r, t);
        if (key(v, t) < d.c.cut || !may_win(d, v, high_word(pair, t))) return;
        const double z = Candidates::z(d.c, v);
        if (!(z >= d.lowest)) return;
        const double value = z + gumbel(uniform(pair, t));
        if (value > d.most || (value == d.most && t < d.token)) take(d, value, t);
    }
    // ordered is `most` as a whole number in the same order.
    DEVICE u64 ordered(const Draw& d) {
        const u64 b = bits<u64>(d.most + 0.0);
        return b ^ (b >> 63 ? ~0ull : 1ull << 63);
    }
};

// Winner is the greatest of draws.
struct Winner {
    u64 most;
    i32 token;

    DEVICE Winner of_block(u64 most, i32 token) {
        const u64 greatest = block_max(most);
        return {greatest, token_of(block_max(most == greatest ? u64(~u32(token)) : 0))};
    }
};

KERNEL(sample_draw, SampleArgs, SAMPLE_THREADS, 2) {
    const i64 row = block_x();
    const i32 number = block_y();
    const Row known = Row::of(args, row);
    const SampleRow& r = known.r;
    const Piece p = Piece::of(known.logits, number, args.vocab);
    const u64 best = Row::best(known);
    if (nothing(best) || !(r.temperature > 0) || keeps_most(r, args.vocab)) return;
    const Candidates c = Candidates::of(known, best);
    if (keeps_nucleus(r)) {
        weigh(c, p, args.bins + row * SAMPLE_BINS);
        return;
    }
    Draw d = Draw::of(c, best);
    u32 may = 0; // win: a bit for each token of the thread
    UNROLL
    for (i32 q = 0; q < QUADS; q++) {
        UNROLL
        for (i32 i = 0; i < QUAD; i += 2) {
            const Philox pair = pair_of(r, p.first + place(q) + i);
            may |= u32(Draw::may_win(d, p.v[q][i], high_word(pair, 0))) << (QUAD * q + i);
            may |= u32(Draw::may_win(d, p.v[q][i + 1], high_word(pair, 1))) << (QUAD * q + i + 1);
        }
    }
    NO_UNROLL
    while (may != 0) {
        const i32 bit = highest_bit(may), t = p.first + place(bit / QUAD) + bit % QUAD;
        may ^= 1u << bit;
        if (t < args.vocab) Draw::look(d, t, known.logits[t]);
    }
    const Winner w = Winner::of_block(Draw::ordered(d), d.token);
    SamplePiece& to = args.pieces[row * known.pieces + number];
    if (thread() == 0) to.most = w.most, to.token = w.token;
}

// choose returns the token of a row whose best key is `best`; -1: nothing is left.
DEVICE i32 choose(const Row& row, u64 best) {
    if (nothing(best)) return -1;
    const SampleRow& r = row.r;
    if (!(r.temperature > 0)) return token_of(best);
    u64 most = 0;
    i32 token = token_of(best);
    if (!keeps_most(r, row.vocab) && !keeps_nucleus(r)) {
        for (i32 p = thread(); p < row.pieces; p += SAMPLE_THREADS) {
            const Winner w = {row.piece[p].most, row.piece[p].token};
            if (w.most > most || (w.most == most && w.token < token)) most = w.most, token = w.token;
        }
        return Winner::of_block(most, token).token;
    }
    Candidates c = Candidates::of(row, best);
    if (keeps_most(r, row.vocab)) keep_most(c, r.topK);
    if (keeps_nucleus(r)) keep_nucleus(c, r.topP);
    Draw d = Draw::of(c, best);
    NO_UNROLL
    for (i32 i = thread(); i < c.count; i += SAMPLE_THREADS) Draw::look(d, token_of(row.list[i]), logit_of(row.list[i]));
    return Winner::of_block(Draw::ordered(d), d.token).token;
}

KERNEL(sample_pick, SampleArgs, SAMPLE_THREADS, 1) {
    const Row row = Row::of(args, block_x());
    const SampleRow& r = row.r;
    const u64 raw = Row::raw_best(row);
    Sampled out = {-1, 0, 0, 1};
    if (!is_nan(raw)) {
        Normaliser n = {};
        if (wants_logprobs(r)) n = Normaliser::of(row, logit_of(raw));
        if (r.logprobs > 0) out.tops = likeliest(args.top + i64(block_x()) * args.maxTop, n, row, least(r.logprobs, args.vocab));
        out.token = row.piece[0].bad ? -1 : choose(row, Row::best(row));
        out.invalid = out.token < 0;
        if (r.logprob && !out.invalid) out.logprob = Normaliser::logprob(n, row.raw[out.token]);
    }
    if (out.invalid) out = {-1, 0, 0, 1};
    if (thread() == 0) args.out[block_x()] = out;
}
