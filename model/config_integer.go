package model

import (
	"math"
	"strings"
)

// integerScheme checks a group of compressed-tensors whose weights are whole numbers.
// Which tensor has how many bits and groups, its shapes tell.
func (o *object) integerScheme(bits int64) {
	if bits == 8 {
		o.neutral("symmetric", "true")
	}
	o.neutral("dynamic", "false")
	if order := o.text("actorder"); order != "" && order != "weight" && order != "static" {
		o.fail("actorder", "%q is not supported: columns must be in the order of their groups", order)
	}
	if g, ok := o.integer("group_size"); ok && g > 0 {
		o.groupSize(g)
	}
	switch s := o.text("strategy"); s {
	case "", "tensor", "channel", "group":
	default:
		o.fail("strategy", "%q is not supported", s)
	}
}

// groupSize refuses a number of columns that blocks do not divide.
func (o *object) groupSize(g int64) {
	if g < 1 || g%32 != 0 {
		o.fail("group_size", "%d is not supported, only multiples of 32, or -1", g)
	}
}

// gptq reads the form of AutoGPTQ and GPTQModel (Frantar et al., arXiv 2210.17323).
func (o *object) gptq(q *quantization) {
	q.algo = "gptq"
	o.integerBits(q, 4, 8)
	format := o.text("checkpoint_format")
	if format == "" {
		format = o.text("format")
	}
	switch format {
	case "", "gptq":
		q.zeroLess = true
	case "gptq_v2":
	default:
		o.fail("checkpoint_format", "%q is not supported, only \"gptq\" and \"gptq_v2\"", format)
	}
	if _, ok := o.members["sym"]; ok {
		q.symmetric = o.flag("sym")
		if q.bits == 8 && !q.symmetric {
			o.fail("sym", "false with 8 bits is not supported: no block has a zero beside codes of 8 bits")
		}
	}
	q.ordered = o.flag("desc_act")
	o.neutral("is_marlin_format", "false")
	o.neutral("pack_dtype", `"int32"`)
	o.dynamic(q)
	o.modules(q, "modules_to_not_convert")
}

// awq reads the form of AutoAWQ (Lin et al., arXiv 2306.00978).
func (o *object) awq(q *quantization) {
	q.algo = "awq"
	o.integerBits(q, 4)
	if v := o.text("version"); v != "" && !strings.EqualFold(v, "gemm") {
		o.fail("version", "%q is not supported, only \"gemm\"", v)
	}
	o.neutral("backend", `"autoawq"`)
	o.modules(q, "modules_to_not_convert")
}

// integerBits takes bits, one of those given, and group_size.
func (o *object) integerBits(q *quantization, supported ...int64) {
	bits, ok := o.integer("bits")
	if !ok {
		o.fail("bits", "is missing")
	}
	for _, b := range supported {
		if bits == b {
			q.bits = int(b)
		}
	}
	if ok && q.bits == 0 {
		o.fail("bits", "%d is not supported, only %v", bits, supported)
	}
	q.group = math.MaxInt64
	if g, ok := o.integer("group_size"); !ok {
		o.fail("group_size", "is missing")
	} else if g != -1 {
		o.groupSize(g)
		q.group = g
	}
}

// autoRound reads the form of AutoRound (Cheng et al., arXiv 2309.05516), whose tensors
// are those of GPTQ or of AWQ.
func (o *object) autoRound(q *quantization) {
	switch packing := o.text("packing_format"); packing {
	case "auto_round:auto_gptq":
		o.gptq(q)
	case "auto_round:auto_awq":
		o.awq(q)
		q.symmetric = o.flag("sym")
	default:
		o.fail("packing_format", "%q is not supported, only \"auto_round:auto_gptq\" and \"auto_round:auto_awq\"", packing)
	}
	o.neutral("data_type", `"int"`)
	extra := o.child("extra_config")
	if extra == nil {
		return
	}
	for _, module := range extra.rest() {
		m := extra.child(module)
		if m == nil {
			return
		}
		q.mixed = true
		if bits, ok := m.integer("bits"); ok && bits >= 16 {
			q.names[module] = true
		}
	}
}

// dynamic takes the patterns of GPTQModel: those of modules that stay as they are begin
// with "-:", others give modules bits and groups of their own.
func (o *object) dynamic(q *quantization) {
	c := o.child("dynamic")
	if c == nil {
		return
	}
	for _, key := range c.rest() {
		q.mixed = true
		if pattern, ok := strings.CutPrefix(key, "-:"); ok {
			o.ignoreRegexp(q, "dynamic", `^(?:`+pattern+`)`)
		}
	}
}

// modules takes names of modules that stay unquantised.
func (o *object) modules(q *quantization, name string) {
	for _, module := range o.texts(name) {
		q.names[module] = true
	}
}
