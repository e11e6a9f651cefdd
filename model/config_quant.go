package model

import (
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// quantization is what a folder says about how its linear layers are stored.
// Which of the forms a tensor has is told by the tensor itself; this makes
// sure that the forms mean what this program takes them for.
type quantization struct {
	algo   string           // as the file names it
	block  [2]int64         // rows and columns of one scale, for FP8 in blocks
	names  map[string]bool  // modules that stay unquantised
	ignore []*regexp.Regexp // others, by pattern

	// Of GPTQ and AWQ:
	bits      int
	group     int64 // columns of one scale; those of no row are as many
	symmetric bool  // every zero is the middle of the codes
	zeroLess  bool  // zeros are stored less 1
	ordered   bool  // columns may be in the order of activations
	mixed     bool  // modules may have bits and groups of their own, which their tensors tell
}

// Bounds of the patterns that a file may have compiled.
const (
	maxPatterns = 1024
	maxPattern  = 512 // bytes
)

// ignores reports whether the module must not be quantised.
func (q *quantization) ignores(module string) bool {
	return q.names[module] || slices.ContainsFunc(q.ignore, func(re *regexp.Regexp) bool { return re.MatchString(module) })
}

// readQuantization reads quantization_config of config.json and
// hf_quant_config.json (ModelOpt); nil where there is neither.
func readQuantization(dir string, config *object) (*quantization, error) {
	var q *quantization
	for _, key := range []string{"compression_config", "quantization_config"} { // early compressed-tensors, and all others
		if o := config.child(key); o != nil {
			q = o.quantization()
		}
	}
	if err := config.result(); err != nil {
		return nil, err
	}
	file, err := readObject(filepath.Join(dir, "hf_quant_config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return q, nil
	}
	if err != nil {
		return nil, err
	}
	o := file.child("quantization")
	if o == nil {
		file.fail("quantization", "is missing")
		return nil, file.result()
	}
	second := o.modelOpt()
	switch {
	case second == nil:
		second = q
	case q != nil && second.algo != q.algo:
		o.fail("quant_algo", "%q contradicts config.json", second.algo)
	}
	return second, file.result()
}

func newQuantization() *quantization {
	return &quantization{block: [2]int64{128, 128}, names: map[string]bool{}}
}

// quantization reads quantization_config; nil where it says nothing of weights.
func (o *object) quantization() *quantization {
	q := newQuantization()
	method := o.text("quant_method")
	if method == "" {
		method = o.text("method") // as GPTQModel calls it
	}
	if _, ok := o.members["quant_algo"]; ok && method == "" {
		method = "modelopt" // early exports do not name themselves
	}
	switch method {
	case "modelopt", "modelopt_fp4":
		return o.modelOpt()
	case "compressed-tensors":
		o.compressedTensors(q)
	case "fp8":
		o.blockFP8(q)
	case "fbgemm_fp8": // e4m3 with a scale for each row
		q.algo = method
		o.modules(q, "modules_to_not_convert")
	case "gptq":
		o.gptq(q)
	case "awq":
		o.awq(q)
	case "auto-round":
		o.autoRound(q)
	default:
		o.fail("quant_method", "%q is not supported, only \"modelopt\", \"compressed-tensors\", \"gptq\", \"awq\", \"auto-round\", \"fp8\" and \"fbgemm_fp8\"", method)
	}
	return q
}

// modelOpt reads the form of NVIDIA's Model Optimizer. Scales of activations
// and of the KV cache are left unused: both stay in higher precision here. nil:
// nothing else is quantised.
func (o *object) modelOpt() *quantization {
	q := newQuantization()
	if q.algo = o.text("quant_algo"); q.algo == "" {
		return nil
	}
	o.modelOptAlgo(q.algo, true)
	if layers := o.child("quantized_layers"); layers != nil {
		for _, name := range layers.rest() {
			if l := layers.child(name); l != nil {
				l.modelOptAlgo(l.text("quant_algo"), false)
			}
		}
	}
	if g, ok := o.integer("group_size"); ok && strings.Contains(q.algo, "FP4") && g != 16 {
		o.fail("group_size", "%d is not supported, only 16", g)
	}
	o.groupSchemes(q)
	for _, key := range []string{"exclude_modules", "ignore"} {
		for _, pattern := range o.texts(key) {
			o.ignoreWildcard(q, key, pattern)
		}
	}
	o.neutral("pre_quant_scale", "false")
	o.neutral("has_zero_point", "false")
	return q
}

// modelOptAlgo refuses an algorithm that this program does not know.
func (o *object) modelOptAlgo(algo string, mixed bool) {
	switch algo {
	case "FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO", "NVFP4", "W4A16_NVFP4":
	case "MIXED_PRECISION":
		if !mixed {
			o.fail("quant_algo", "%q within quantized_layers", algo)
		}
	default:
		o.fail("quant_algo", "%q is not supported", algo)
	}
}

// compressedTensors reads the form of llm-compressor.
func (o *object) compressedTensors(q *quantization) {
	q.algo = o.text("format")
	switch q.algo {
	case "float-quantized", "nvfp4-pack-quantized", "mixed-precision", "pack-quantized", "int-quantized", "naive-quantized":
	default:
		o.fail("format", "%q is not supported", q.algo)
	}
	o.groupSchemes(q)
	for _, pattern := range o.texts("ignore") {
		if re, ok := strings.CutPrefix(pattern, "re:"); ok {
			o.ignoreRegexp(q, "ignore", `^(?:`+re+`)`) // as Python's re.match: anchored at the front only
		} else {
			q.names[pattern] = true
		}
	}
	for _, key := range []string{"sparsity_config", "transform_config"} {
		if c := o.child(key); c != nil && len(c.members) > 0 && c.text("format") != "dense" {
			o.fail(key, "is not supported")
		}
	}
}

// groupSchemes checks config_groups: every group must store its weights in a
// form that this program reads.
func (o *object) groupSchemes(q *quantization) {
	groups := o.child("config_groups")
	if groups == nil {
		return
	}
	for _, name := range groups.rest() {
		g := groups.child(name)
		if g == nil {
			return
		}
		if w := g.child("weights"); w != nil {
			w.weightScheme(q)
		}
	}
}

func (o *object) weightScheme(q *quantization) {
	bits, _ := o.integer("num_bits")
	kind := o.text("type")
	if kind != "float" && kind != "int" {
		o.fail("type", "%q is not supported, only \"float\" and \"int\"", kind)
	}
	if bits != 8 && bits != 4 {
		o.fail("num_bits", "%d is not supported, only 8 and 4", bits)
	}
	if kind == "int" {
		o.integerScheme(bits)
		return
	}
	if g, ok := o.integer("group_size"); ok && bits == 4 && g != 16 {
		o.fail("group_size", "%d is not supported, only 16", g)
	}
	o.neutral("symmetric", "true")
	o.neutral("dynamic", "false")
	o.neutral("actorder", "null")
	switch s := o.text("strategy"); s {
	case "", "tensor", "channel", "tensor_group":
	case "block":
		o.blockSize(q, "block_structure")
	default:
		o.fail("strategy", "%q is not supported", s)
	}
}

// blockFP8 reads the form of DeepSeek and of Hugging Face's own FP8: e4m3 with
// a scale for each block, or for each tensor.
func (o *object) blockFP8(q *quantization) {
	q.algo = "fp8"
	if f := o.text("fmt"); f != "" && f != "e4m3" {
		o.fail("fmt", "%q is not supported, only \"e4m3\"", f)
	}
	o.text("scale_fmt") // "ue8m0" only says that the scales are powers of two
	o.blockSize(q, "weight_block_size")
	o.modules(q, "modules_to_not_convert")
	o.modules(q, "ignored_layers")
}

// blockSize takes [rows, columns] of one scale.
func (o *object) blockSize(q *quantization, name string) {
	size := o.integers(name, 2)
	switch {
	case size == nil:
	case len(size) != 2 || min(size[0], size[1]) < 1 || max(size[0], size[1]) > maxFFN:
		o.fail(name, "must be two positive numbers, not %v", size)
	default:
		q.block = [2]int64(size)
	}
}

// ignoreWildcard adds a pattern in which * stands for any text.
func (o *object) ignoreWildcard(q *quantization, key, pattern string) {
	if !strings.Contains(pattern, "*") {
		q.names[pattern] = true
		return
	}
	o.ignoreRegexp(q, key, `^`+strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`)+`$`)
}

func (o *object) ignoreRegexp(q *quantization, key, pattern string) {
	re, err := regexp.Compile(pattern[:min(len(pattern), maxPattern)])
	if err != nil || len(pattern) > maxPattern || len(q.ignore) == maxPatterns {
		o.fail(key, "%.60q is not a pattern that is understood, or one too many", pattern)
		return
	}
	q.ignore = append(q.ignore, re)
}
