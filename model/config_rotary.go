package model

import (
	"cmp"
	"fmt"
	"reflect"
)

// hfRotary reads the position encoding from its two homes: rope_theta and
// rope_scaling at the top, or rope_parameters (transformers 5).
func hfRotary(o *object, a *architecture, dim, context int) Rotary {
	r := Rotary{Theta: cmp.Or(a.theta, 10000), Dim: dim, Interleaved: a.pairs}
	theta, haveTheta := o.number("rope_theta")
	scaling, params := o.child("rope_scaling"), o.child("rope_parameters")
	original, haveOriginal := o.integer("original_max_position_embeddings")
	if !haveOriginal {
		original = int64(context)
	}
	r.Rotated = o.rotated(params, a, dim)
	if haveTheta {
		r.Theta = o.within("rope_theta", theta, 1, maxTheta)
	}
	switch {
	case params != nil:
		top := r
		params.base(&r)
		if haveTheta && r.Theta != top.Theta {
			params.fail("rope_theta", "%v contradicts rope_theta %v", r.Theta, top.Theta)
		}
		params.scaling(&r, a, original, haveOriginal, context)
		if scaling != nil {
			// Who reads rope_scaling takes the default where rope_theta is absent.
			scaling.base(&top)
			if scaling.scaling(&top, a, original, haveOriginal, context); !reflect.DeepEqual(top, r) {
				o.fail("rope_scaling", "with rope_theta %v contradicts rope_parameters", top.Theta)
			}
		}
	case scaling != nil:
		scaling.base(&r)
		scaling.scaling(&r, a, original, haveOriginal, context)
	}
	return r
}

// rotated takes how many dimensions of a head are rotated; 0: all.
func (o *object) rotated(params *object, a *architecture, dim int) int {
	const name = "partial_rotary_factor"
	part, given := o.number(name)
	if params != nil {
		if v, ok := params.number(name); ok {
			if given && v != part {
				params.fail(name, "%v contradicts %s %v", v, name, part)
			}
			part, given = v, true
		}
	}
	if !given {
		part = cmp.Or(a.partial, 1)
	}
	n := int(float64(dim) * min(max(part, 0), 2))
	switch {
	case part == 1:
		return 0
	case a.partial == 0:
		o.fail(name, "%v is not supported", part)
	case n < 2 || n >= dim || n%2 != 0:
		o.fail(name, "%v of %d dimensions is %d, not an even part", part, dim, n)
	}
	return n
}

// base reads the rope_theta of a rope_scaling or rope_parameters object.
func (o *object) base(r *Rotary) {
	if v, ok := o.number("rope_theta"); ok {
		r.Theta = o.within(o.prefix+"rope_theta", v, 1, maxTheta)
	}
}

// scaling reads the rest of one rope_scaling or rope_parameters object. The original
// context may be given beside it too; programs differ in which of the two counts.
func (o *object) scaling(r *Rotary, a *architecture, original int64, given bool, context int) {
	o.neutral("partial_rotary_factor", "1")
	kind, old := o.text("rope_type"), o.text("type")
	if kind == "" {
		kind = old
	}
	if v, ok := o.integer("original_max_position_embeddings"); ok {
		if given && v != original {
			o.fail("original_max_position_embeddings", "%d contradicts original_max_position_embeddings %d", v, original)
		}
		original, given = v, true
	}
	switch kind {
	case "", "default", "mrope":
		o.neutral("factor", "1")
	case "linear":
		r.Scaling, r.Factor = kind, o.need("factor")
	case "llama3":
		r.Scaling, r.Factor = kind, o.need("factor")
		r.LowFreq, r.HighFreq = o.need("low_freq_factor"), o.need("high_freq_factor")
		r.OriginalContext = o.between(o.prefix+"original_max_position_embeddings", original, 1, 1<<31)
		if r.HighFreq <= r.LowFreq {
			o.fail("high_freq_factor", "%v is not above low_freq_factor %v", r.HighFreq, r.LowFreq)
		}
	case "dynamic": // by the length of a text, once that is above the original
		if a.alpha && o.alpha(r) {
			break
		}
		r.Scaling, r.Factor = kind, o.need("factor")
		r.OriginalContext = o.between(o.prefix+"original_max_position_embeddings", original, 1, 1<<48)
	case "yarn":
		r.Scaling, r.Factor = kind, o.need("factor")
		r.OriginalContext = o.between(o.prefix+"original_max_position_embeddings", original, 1, 1<<31)
		o.yarn(r)
	case "longrope", "su": // its name until 2024
		if !given {
			o.fail("original_max_position_embeddings", "is missing")
		}
		r.Scaling, r.OriginalContext = "longrope", o.between(o.prefix+"original_max_position_embeddings", original, 2, 1<<31)
		o.longrope(r, context)
	default:
		o.fail("rope_type", "%q is not supported, only \"llama3\", \"linear\", \"yarn\", \"longrope\", \"dynamic\" and \"default\"", kind)
	}
	if beta, ok := o.number("llama_4_scaling_beta"); ok && beta != 0 {
		r.Tempered = true
		if kind != "yarn" {
			o.fail("llama_4_scaling_beta", "%v is not supported without yarn", beta)
		}
	}
	o.take("max_position_embeddings")                                     // of the model
	for _, name := range []string{"mrope_section", "mrope_interleaved"} { // of images
		o.take(name)
	}
	o.refuseRest()
}

// alpha reports whether the base is stretched whatever the length of a text is; what else the
// object says then does not count.
func (o *object) alpha(r *Rotary) bool {
	v, ok := o.number("alpha")
	if !ok || v == 0 {
		return false
	}
	r.stretch(o.within(o.prefix+"alpha", v, minFactor, maxFactor))
	for _, name := range []string{"factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"} {
		o.take(name)
	}
	return true
}

// yarn reads the rest of YaRN. What is absent, null or 0 has the default of the
// paper; the scale that of attention_factor or of both mscales.
func (o *object) yarn(r *Rotary) {
	r.BetaFast, r.BetaSlow, r.Scale = o.optional("beta_fast", 32), o.optional("beta_slow", 1), o.optional("attention_factor", 0)
	m, all := o.optional("mscale", 0), o.optional("mscale_all_dim", 0)
	switch {
	case r.Scale != 0:
	case m != 0 && all != 0:
		r.Scale = YarnScale(r.Factor, m) / YarnScale(r.Factor, all)
	default:
		r.Scale = YarnScale(r.Factor, 1)
	}
	if raw, ok := o.take("truncate"); ok {
		if k := raw.Kind(); k != 't' && k != 'f' {
			o.fail("truncate", "must be true or false, not %s", short(raw))
		}
		r.Fractional = raw.Kind() == 'f'
	}
	o.take("finetuned") // how the checkpoint came about
	// Factors of the paper's code, which others do not read.
	o.neutral("attn_factor", "1")
	o.neutral("extrapolation_factor", "1")
	if r.BetaFast < r.BetaSlow {
		o.fail("beta_fast", "%v is below beta_slow %v", r.BetaFast, r.BetaSlow)
	}
	if r.Theta <= 1 {
		o.fail("rope_theta", "%v is too small for yarn", r.Theta)
	}
}

// longrope reads the rest of LongRoPE. The scale is that of attention_factor, or follows from
// how many times the original context the model's is.
func (o *object) longrope(r *Rotary, context int) {
	n := r.rotated() / 2
	r.Divisors, r.Long = o.factors("short_factor", n), o.factors("long_factor", n)
	factor := o.optional("factor", float64(context)/float64(r.OriginalContext))
	r.Scale = o.optional("attention_factor", longropeScale(factor, r.OriginalContext))
}

// factors takes a list of n factors that must be there.
func (o *object) factors(name string, n int) []float32 {
	list := o.numbers(name)
	if len(list) != n {
		o.fail(name, "has %d entries for %d pairs", len(list), n)
	}
	factors := make([]float32, len(list))
	for i, v := range list {
		factors[i] = float32(o.within(fmt.Sprintf("%s%s[%d]", o.prefix, name, i), v, minFactor, maxFactor))
	}
	return factors
}

// optional takes a factor, for which absent or 0 means another.
func (o *object) optional(name string, other float64) float64 {
	v, ok := o.number(name)
	if !ok || v == 0 {
		return other
	}
	return o.within(o.prefix+name, v, minFactor, maxFactor)
}

// need takes a factor that must be there.
func (o *object) need(name string) float64 {
	v, ok := o.number(name)
	if !ok {
		o.fail(name, "is missing")
		return 1
	}
	return o.within(o.prefix+name, v, minFactor, maxFactor)
}
