package model

// hfRotary reads the position encoding from its two homes: rope_theta and
// rope_scaling at the top, or rope_parameters (transformers 5).
func hfRotary(o *object, dim, context int) Rotary {
	theta, haveTheta := o.number("rope_theta")
	scaling, params := o.child("rope_scaling"), o.child("rope_parameters")
	original, haveOriginal := o.integer("original_max_position_embeddings")
	if !haveOriginal {
		original = int64(context)
	}
	if !haveTheta {
		theta = 10000 // the default of Hugging Face's LlamaConfig
	}
	r := Rotary{Theta: o.within("rope_theta", theta, 1, maxTheta), Dim: dim}
	switch {
	case params != nil:
		top := r
		params.scaling(&r, original)
		if haveTheta && r.Theta != top.Theta {
			params.fail("rope_theta", "%v contradicts rope_theta %v", r.Theta, top.Theta)
		}
		if scaling != nil {
			scaling.scaling(&top, original)
			if top.Scaling != r.Scaling || top.Factor != r.Factor || top.LowFreq != r.LowFreq ||
				top.HighFreq != r.HighFreq || top.OriginalContext != r.OriginalContext {
				o.fail("rope_scaling", "contradicts rope_parameters")
			}
		}
	case scaling != nil:
		scaling.scaling(&r, original)
	}
	return r
}

// scaling reads one rope_scaling or rope_parameters object.
func (o *object) scaling(r *Rotary, original int64) {
	if v, ok := o.number("rope_theta"); ok {
		r.Theta = o.within(o.prefix+"rope_theta", v, 1, maxTheta)
	}
	o.neutral("partial_rotary_factor", "1")
	kind, old := o.text("rope_type"), o.text("type")
	if kind == "" {
		kind = old
	}
	if v, ok := o.integer("original_max_position_embeddings"); ok {
		original = v
	}
	switch kind {
	case "", "default":
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
	default:
		o.fail("rope_type", "%q is not supported, only \"llama3\", \"linear\" and \"default\"", kind)
	}
	o.refuseRest()
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
