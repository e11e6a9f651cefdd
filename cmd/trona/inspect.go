package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"trona/model"
)

// inspectCommand prints what a checkpoint's headers say.
type inspectCommand struct {
	Model   string `arg:"" help:"Model to inspect." default:"demo" optional:""`
	JSON    bool   `name:"json" help:"Print JSON."`
	Tensors bool   `help:"List every tensor; JSON always does."`
}

// inspection is the JSON of the command.
type inspection struct {
	Model         string             `json:"model"`
	Architecture  string             `json:"architecture"`
	Parameters    int64              `json:"parameters"`
	VocabSize     int                `json:"vocab_size"`
	HiddenSize    int                `json:"hidden_size"`
	ContextLength int                `json:"context_length"`
	ContextLimit  string             `json:"context_limit,omitempty"` // the key that keeps it below what the file declares
	Rotary        inspectionRotary   `json:"rotary"`
	TiedEmbedding bool               `json:"tied_embedding"`
	Bytes         int64              `json:"bytes"`
	Layers        []inspectionLayer  `json:"layers"`
	Tensors       []inspectionTensor `json:"tensors"`
	Unread        []string           `json:"unread,omitempty"` // configuration keys that trona does not know
}

// inspectionRotary is the position encoding; 0 and "" are what it lacks.
type inspectionRotary struct {
	Theta           float64 `json:"theta"`
	Dimensions      int     `json:"dimensions"` // of a head, that are rotated
	HeadDim         int     `json:"head_dim"`
	Scaling         string  `json:"scaling,omitempty"`
	Factor          float64 `json:"factor,omitempty"`
	OriginalContext int     `json:"original_context,omitempty"`
}

// inspectionLayer has 0 for what the layer lacks.
type inspectionLayer struct {
	Heads           int  `json:"heads"`
	KVHeads         int  `json:"kv_heads"`
	HeadDim         int  `json:"head_dim"`
	FFN             int  `json:"ffn"`
	Window          int  `json:"window,omitempty"`           // how many positions are seen; 0: all
	LinearAttention bool `json:"linear_attention,omitempty"` // one linear map in its place
	LinearFFN       bool `json:"linear_ffn,omitempty"`
	QKVBias         bool `json:"qkv_bias,omitempty"` // q, k and v have biases
	OBias           bool `json:"o_bias,omitempty"`   // the output of attention has one
	FFNBias         bool `json:"ffn_bias,omitempty"` // gate, up and down have biases
}

type inspectionTensor struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Shape []int64 `json:"shape"`
	Bytes int64   `json:"bytes"`
}

// Run prints the model.
func (c *inspectCommand) Run(std stdio) error {
	ckpt, err := openCheckpoint(c.Model)
	if err != nil {
		return err
	}
	in := inspect(ckpt)
	if err := ckpt.Close(); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std.out, in)
	}
	return in.print(std.out, c.Tensors)
}

func inspect(ckpt *model.Checkpoint) *inspection {
	c := &ckpt.Config
	in := &inspection{
		Model: ckpt.Path, Architecture: c.Architecture, Parameters: ckpt.Parameters(), VocabSize: c.VocabSize,
		HiddenSize: c.HiddenSize, ContextLength: c.ContextLength, ContextLimit: c.Limit, TiedEmbedding: c.TiedEmbedding, Unread: ckpt.Unread,
	}
	r := &c.Rotary
	in.Rotary = inspectionRotary{r.Theta, cmp.Or(r.Rotated, r.Dim), r.Dim, r.Scaling, r.Factor, r.OriginalContext}
	for _, l := range c.Layers {
		var row inspectionLayer
		if a := l.Attention; a != nil {
			row.Heads, row.KVHeads, row.HeadDim, row.LinearAttention = a.Heads, a.KVHeads, a.HeadDim, a.Linear
			row.Window, row.QKVBias, row.OBias = a.Window, a.QKVBias, a.OBias
		}
		if f := l.FFN; f != nil {
			row.FFN, row.LinearFFN, row.FFNBias = f.Width, f.Linear, f.Bias
		}
		in.Layers = append(in.Layers, row)
	}
	for _, t := range ckpt.Tensors() {
		in.Tensors = append(in.Tensors, inspectionTensor{t.Name, t.Type, t.Shape, t.Bytes})
		in.Bytes += t.Bytes
	}
	return in
}

func (in *inspection) print(out io.Writer, tensors bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "model\t%s\narchitecture\t%s\nparameters\t%s\n", in.Model, in.Architecture, count(in.Parameters))
	fmt.Fprintf(w, "vocabulary\t%s\nhidden size\t%s\ncontext length\t%s\n", count(int64(in.VocabSize)), count(int64(in.HiddenSize)), count(int64(in.ContextLength)))
	if in.ContextLimit != "" {
		fmt.Fprintf(w, "context limit\t%s\n", in.ContextLimit)
	}
	fmt.Fprintf(w, "rotary\t%s\n", in.Rotary.text())
	output := "its own"
	if in.TiedEmbedding {
		output = "the embedding"
	}
	fmt.Fprintf(w, "output matrix\t%s\ntensors\t%d, %s bytes (%s)\n", output, len(in.Tensors), count(in.Bytes), human(in.Bytes))
	for _, key := range in.Unread {
		fmt.Fprintf(w, "not read\t%s\n", key)
	}
	in.printLayers(w)
	in.printTypes(w)
	if tensors {
		fmt.Fprint(w, "\ntensor\ttype\tshape\tbytes\n")
		for _, t := range in.Tensors {
			fmt.Fprintf(w, "%s\t%s\t%v\t%s\n", t.Name, t.Type, t.Shape, count(t.Bytes))
		}
	}
	return w.Flush()
}

func (r *inspectionRotary) text() string {
	text := fmt.Sprintf("theta %.12g", r.Theta)
	if r.Dimensions < r.HeadDim {
		text += fmt.Sprintf(", %d of %d dimensions", r.Dimensions, r.HeadDim)
	}
	switch {
	case r.Scaling == "longrope":
		text += fmt.Sprintf(", longrope: short factors up to a context of %s, long ones above", count(int64(r.OriginalContext)))
	case r.Scaling != "":
		text += fmt.Sprintf(", %s by %g", r.Scaling, r.Factor)
	}
	return text
}

// printLayers prints a row for each run of equal layers.
func (in *inspection) printLayers(w io.Writer) {
	fmt.Fprint(w, "\nlayers\theads\tKV heads\thead dim\tFFN\n")
	for first := 0; first < len(in.Layers); {
		last := first
		for last+1 < len(in.Layers) && in.Layers[last+1] == in.Layers[first] {
			last++
		}
		name := fmt.Sprint(first)
		if last > first {
			name = fmt.Sprintf("%d-%d", first, last)
		}
		l := in.Layers[first]
		heads, ffn := [3]string{"-", "-", "-"}, "-"
		switch {
		case l.LinearAttention:
			heads[0] = "linear"
		case l.Heads > 0:
			heads = [3]string{fmt.Sprint(l.Heads), fmt.Sprint(l.KVHeads), fmt.Sprint(l.HeadDim)}
		}
		switch {
		case l.LinearFFN:
			ffn = "linear"
		case l.FFN > 0:
			ffn = count(int64(l.FFN))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s%s\n", name, heads[0], heads[1], heads[2], ffn, l.window()+l.biases())
		first = last + 1
	}
}

// window is a column that only layers with one have.
func (l *inspectionLayer) window() string {
	if l.Window == 0 {
		return ""
	}
	return "\twindow " + count(int64(l.Window))
}

// biases names what has biases, as a column that only layers with some have.
func (l *inspectionLayer) biases() string {
	text := ""
	for _, b := range []struct {
		has  bool
		name string
	}{{l.QKVBias, " q k v"}, {l.OBias, " o"}, {l.FFNBias, " gate up down"}} {
		if b.has {
			text += b.name
		}
	}
	if text != "" {
		return "\tbiases:" + text
	}
	return ""
}

// printTypes prints a row for each element type.
func (in *inspection) printTypes(w io.Writer) {
	type sum struct {
		tensors int
		bytes   int64
	}
	types := map[string]sum{}
	for _, t := range in.Tensors {
		types[t.Type] = sum{types[t.Type].tensors + 1, types[t.Type].bytes + t.Bytes}
	}
	fmt.Fprint(w, "\ntype\ttensors\tbytes\n")
	for _, name := range slices.Sorted(maps.Keys(types)) {
		fmt.Fprintf(w, "%s\t%d\t%s (%s)\n", name, types[name].tensors, count(types[name].bytes), human(types[name].bytes))
	}
}

// writeJSON prints a value as indented JSON.
func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
