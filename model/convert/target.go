package convert

import (
	"cmp"
	"fmt"
	"strings"

	"trona/kernels"
	"trona/model"
)

// Target is what the matrices of a file are written in.
type Target struct {
	Name string
	// fileType is general.file_type: llama.cpp's enum llama_ftype.
	fileType uint32
	base     kernels.DType
	output   kernels.DType // of the output matrix
	// Value, output and down projections have the type kept, value and down projections in
	// layers that need more another; 0: the base.
	kept, more kernels.DType
}

// targets lists all, those of fewest bits last. Names are llama.cpp's.
var targets = []Target{
	{"F32", 0, kernels.F32, kernels.F32, 0, 0},
	{"F16", 1, kernels.F16, kernels.F16, 0, 0},
	{"BF16", 32, kernels.BF16, kernels.BF16, 0, 0},
	{"Q8_0", 7, kernels.Q8_0, kernels.Q8_0, 0, 0},
	{"Q6_K", 18, kernels.Q6_K, kernels.Q6_K, 0, 0},
	{"Q5_K_M", 17, kernels.Q5_K, kernels.Q6_K, 0, kernels.Q6_K},
	{"Q5_K_S", 16, kernels.Q5_K, kernels.Q6_K, 0, 0},
	{"Q5_1", 9, kernels.Q5_1, kernels.Q6_K, 0, 0},
	{"Q5_0", 8, kernels.Q5_0, kernels.Q6_K, 0, 0},
	{"Q4_K_M", 15, kernels.Q4_K, kernels.Q6_K, 0, kernels.Q6_K},
	{"Q4_K_S", 14, kernels.Q4_K, kernels.Q6_K, 0, 0},
	{"Q4_1", 3, kernels.Q4_1, kernels.Q6_K, 0, 0},
	{"Q4_0", 2, kernels.Q4_0, kernels.Q6_K, 0, 0},
	{"IQ4_NL", 25, kernels.IQ4_NL, kernels.Q6_K, 0, 0},
	{"IQ4_XS", 30, kernels.IQ4_XS, kernels.Q6_K, 0, 0},
	{"Q3_K_M", 12, kernels.Q3_K, kernels.Q6_K, kernels.Q4_K, kernels.Q5_K},
	{"Q3_K_S", 11, kernels.Q3_K, kernels.Q6_K, 0, 0},
	{"Q2_K", 10, kernels.Q2_K, kernels.Q6_K, kernels.Q3_K, kernels.Q4_K},
}

// Targets returns the names of all targets.
func Targets() []string {
	names := make([]string, len(targets))
	for i, t := range targets {
		names[i] = t.Name
	}
	return names
}

// ParseTarget returns the target with that name, in either case; Q4_K and Q5_K
// are Q4_K_M and Q5_K_M.
func ParseTarget(name string) (Target, error) {
	for _, t := range targets {
		if strings.EqualFold(t.Name, name) || strings.EqualFold(strings.TrimSuffix(t.Name, "_M"), name) {
			return t, nil
		}
	}
	return Target{}, fmt.Errorf("no type %q to write, only %s", name, strings.Join(Targets(), ", "))
}

// Quantises reports whether matrices lose more than rounding to 16 bits takes.
func (t *Target) Quantises() bool { return t.base.Block() > 1 }

// Types returns the types of all parts of a configuration.
func (t *Target) Types(c *model.Config, parts []model.Part) []kernels.DType {
	types, place := make([]kernels.DType, len(parts)), newMixture(parts)
	for i := range parts {
		types[i] = t.typeOf(&parts[i], c.TiedEmbedding, place)
	}
	return types
}

// typeOf chooses the type of a part; tied says that the embedding is the
// output matrix too.
func (t *Target) typeOf(p *model.Part, tied bool, place mixture) kernels.DType {
	if p.Vector {
		return kernels.F32
	}
	typ := t.base
	switch {
	case p.Name == "output.weight" || tied && p.Name == "token_embd.weight":
		typ = t.output
	case place.more(p):
		typ = cmp.Or(t.more, t.kept, t.base)
	case kindOf(p) != "" || strings.HasSuffix(p.Name, ".attn_output.weight"):
		typ = cmp.Or(t.kept, t.base)
	}
	return fit(typ, p.Cols)
}

// fit returns the type, or the next larger one whose blocks rows divide into.
func fit(typ kernels.DType, cols int64) kernels.DType {
	if cols%int64(typ.Block()) == 0 {
		return typ
	}
	larger := map[kernels.DType]kernels.DType{
		kernels.Q2_K: kernels.IQ4_NL, kernels.Q3_K: kernels.IQ4_NL, kernels.IQ4_XS: kernels.IQ4_NL,
		kernels.Q4_K: kernels.Q5_0, kernels.Q5_K: kernels.Q5_1, kernels.Q6_K: kernels.Q8_0,
	}
	if next, ok := larger[typ]; ok {
		return fit(next, cols)
	}
	return kernels.F16
}

// mixture counts the layers that have a value or a down projection.
type mixture struct {
	numbers map[string]int // of a part among those of its kind
	kinds   map[string]int // how many there are
}

// kindOf returns which projection a part is, "" for those that never get more
// bits.
func kindOf(p *model.Part) string {
	for _, kind := range []string{"attn_v", "ffn_down"} {
		if strings.HasSuffix(p.Name, "."+kind+".weight") {
			return kind
		}
	}
	return ""
}

func newMixture(parts []model.Part) mixture {
	m := mixture{numbers: map[string]int{}, kinds: map[string]int{}}
	for i := range parts {
		if kind := kindOf(&parts[i]); kind != "" {
			m.numbers[parts[i].Name] = m.kinds[kind]
			m.kinds[kind]++
		}
	}
	return m
}

// more reports whether a part of a mixed target gets more bits: in the first
// and the last eighth of the layers, and in every third between.
func (m mixture) more(p *model.Part) bool {
	kind := kindOf(p)
	if kind == "" {
		return false
	}
	i, n := m.numbers[p.Name], m.kinds[kind]
	return i < n/8 || i >= 7*n/8 || (i-n/8)%3 == 2
}
