package server

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

const pythonTag = "<|python_tag|>"

// formNamed returns a form of the table.
func formNamed(name string) toolForm {
	forms := toolForms()
	return forms[slices.IndexFunc(forms, func(f toolForm) bool { return f.name == name })]
}

// typedSchema has arguments of all types.
const typedSchema = `{"properties":{"s":{"type":"string"},"i":{"type":"integer"},"b":{"type":"boolean"},"l":{"type":"array"},"o":{"$ref":"#/$defs/o"},
"n":{"anyOf":[{"type":"string"},{"type":"null"}]},"e":{"enum":["1","2"]},"m":{"type":["string","integer"]}},"$defs":{"o":{"type":"object"}}}`

// ordered is an answer as it was said, texts and calls in turns.
func ordered(form string, single bool, cuts ...string) (list []callDelta) {
	known := map[string]tool{"f": {name: "f"}, "g.h": {name: "g.h"}, "get_time": {name: "get_time"}, "typed": {name: "typed", parameters: jsontext.Value(typedSchema)}}
	p := newToolParser(formNamed(form), known, single)
	defer p.close()
	var f fragment
	add := func(text string, calls []callDelta) { f.add(fragment{text: text, calls: calls}) }
	for _, piece := range cuts {
		add(p.write(piece))
	}
	add(p.end())
	for _, d := range f.answer() {
		if last := len(list) - 1; last >= 0 && list[last].index == d.index {
			list[last].arguments += d.arguments
		} else {
			list = append(list, callDelta{index: d.index, name: d.name, arguments: d.arguments})
		}
	}
	return list
}

// parsed is an answer taken apart: text, then calls as "name arguments".
func parsed(form string, single bool, cuts ...string) []string {
	out := []string{""}
	for _, d := range ordered(form, single, cuts...) {
		if d.index < 0 {
			out[0] += d.arguments
		} else {
			out = append(out, d.name+" "+d.arguments)
		}
	}
	return out
}

// TestStrictTag: where a schema must be kept, only the tag counts behind which the grammar
// keeps it.
func TestStrictTag(t *testing.T) {
	for _, strict := range []bool{false, true} {
		choice := toolChoice{tools: []tool{{name: "f", strict: strict}}}
		for tag, called := range map[string]bool{"<|tool_call|>": true, "<tool_call>": !strict} {
			p := choice.parser(formNamed("granite"))
			_, begun := p.write(tag + `[{"name": "f", "arguments": {}}]`)
			_, ended := p.end()
			require.Equal(t, called, len(begun)+len(ended) > 0, "%s, strict %v", tag, strict)
		}
	}
}

const deepseekF = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```<｜tool▁call▁end｜>"

// toolAnswers are answers by form, and what they hold.
var toolAnswers = []struct {
	form, answer string
	want         []string
}{
	{"hermes", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n<tool_call>\n{\"arguments\": {}, \"name\": \"g\"}\n</tool_call>", []string{"", `f {"a": 1}`, "g {}"}},
	{"hermes", "So.\n<tool_call>{\"name\": \"f\", \"arguments\": \"{}\"}</tool_call>", []string{"So.", "f {}"}},
	{"hermes", "<tool_call>\n<function=f>\n</function>\n</tool_call>", []string{"<tool_call>\n<function=f>\n</function>\n</tool_call>"}},
	{"granite", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": {}}]", []string{"", `f {"a": 1}`, "g {}"}},
	{"granite", "So. <tool_call>[{\"name\": \"f\", \"arguments\": {}}]", []string{"So.", "f {}"}},
	{"granite", `<|tool_call|>{"name": "f", "arguments": {"a": 1}}`, []string{"", `f {"a": 1}`}},
	{"granite", `a <|tool <tool_call> b <|tool_call|>[]`, []string{`a <|tool <tool_call> b <|tool_call|>[]`}},
	{"granite", `<|tool_c`, []string{`<|tool_c`}},
	{"phi", `Well. <|tool_call|>{"name": "f", "arguments": {"a": 1}}<|/tool_call|><|tool_call|>{"name": "g", "arguments": {}}<|/tool_call|>`, []string{"Well.", `f {"a": 1}`, "g {}"}},
	{"phi", `<|tool_call|>f<|/tool_call|>`, []string{`<|tool_call|>f<|/tool_call|>`}},
	{"phi list", `<|tool_call|>[{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]<|/tool_call|>`, []string{"", `f {"a": 1}`, "g {}"}},
	{"phi list", `<|tool_call|>{"name": "f", "arguments": {"a": 1}}<|/tool_ca`, []string{"", `f {"a": 1}`}},
	{"functools", "So.\nfunctools[\n  {\"name\": \"f\", \"arguments\": {\"a\": 1}},\n  {\"name\": \"g\", \"arguments\": {}}\n]", []string{"So.", `f {"a": 1}`, "g {}"}},
	{"functools", `from functools import cache; functools[0]; func`, []string{`from functools import cache; functools[0]; func`}},
	{"mistral list", `[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}, "id": "call00001"}]`, []string{"", `f {"a": 1}`, "g {}"}},
	{"mistral list", `[TOOL_CALLS]f[1]`, []string{"[TOOL_CALLS]f[1]"}},
	{"mistral", `[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{}`, []string{"", `f {"a": 1}`, "g {}"}},
	{"mistral", "So. [TOOL_CALLS]f[CALL_ID]0aB345678[ARGS]{\"a\": [1, {}]}\n [TOOL_CALLS] g[ARGS] {}", []string{"So.", `f {"a": [1, {}]}`, "g {}"}},
	{"mistral", `[TOOL_CALLS][{"name": "f", "arguments": {}}]`, []string{"", "f {}"}},
	{"mistral", `[TOOL_CALLS]f[1]`, []string{"[TOOL_CALLS]f[1]"}},
	{"mistral", `[TOOL_CALLS]f[ARGS]1`, []string{"[TOOL_CALLS]f[ARGS]1"}},
	{"mistral", `[TOOL_CALLS][ARGS]{}`, []string{"[TOOL_CALLS][ARGS]{}"}},
	{"mistral", `[TOOL_CALLS]f[CALL_ID]1[CALL_ID]1[ARGS]{}`, []string{"[TOOL_CALLS]f[CALL_ID]1[CALL_ID]1[ARGS]{}"}},
	{"mistral", `[TOOL_CALLS]f[ARGS]{"a": "x`, []string{"", `f {"a": "x`}}, // cut off
	{"mistral", `[TOOL_CALLS]f[AR`, []string{"[TOOL_CALLS]f[AR"}},
	{"mistral", `f[ARGS]{}`, []string{"f[ARGS]{}"}},
	{"functionary", "<function=f>{\"a\": 1}</function>\n<function=g>{}</function>", []string{"", `f {"a": 1}`, "g {}"}},
	{"functionary", `Well: <function=f>{}</funct`, []string{"Well:", "f {}"}},
	{"functionary", `a <function=f> b`, []string{"a <function=f> b"}},
	{"functionary", `<function=>{}</function>`, []string{"<function=>{}</function>"}},
	{"deepseek", deepseekF + "\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", []string{"", `f {"a": 1}`, "g {}"}},
	{"deepseek", "So.\n" + deepseekF + "<｜tool▁calls▁end｜> and", []string{"So. and", `f {"a": 1}`}},
	{"deepseek", deepseekF, []string{"", `f {"a": 1}`}},
	{"deepseek", deepseekF + "<｜tool▁call", []string{"", `f {"a": 1}`}},
	{"deepseek", deepseekF + "\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n", []string{"", `f {"a": 1}`}},
	{"deepseek", deepseekF + "!", []string{"!", `f {"a": 1}`}},
	{"deepseek", "<｜tool▁calls▁begin｜> none", []string{"<｜tool▁calls▁begin｜> none"}},
	{"apriel", `<tool_calls>[{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}, "id": "1"}]</tool_calls>`, []string{"", `f {"a": 1}`, "g {}"}},
	{"qwen", "So.\n<tool_call>\n<function=typed>\n<parameter=s>\n1 < 2,\n\"\\\" </b>\n\n</parameter>\n<parameter=i>\n-7\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=f>\n</function>\n</tool_call>",
		[]string{"So.", `typed {"s": "1 < 2,\n\"\\\" </b>\n", "i": -7}`, "f {}"}},
	{"qwen", "<function=f>\n<parameter=a>\n{\"x\": [1]}\n</parameter>\n<parameter=b>01</parameter>\n</function>\n</tool_call>", []string{"", `f {"a": {"x": [1]}, "b": "01"}`}},
	{"qwen", "<function=f>\n<parameter=a>\n{\"x\": \"\\\"</parameter>y</parameter>\"}\n</parameter>\n<parameter=b>[\"x</parameter>\n</function>", []string{"", `f {"a": {"x": "\"</parameter>y</parameter>"}, "b": `}},
	{"qwen", "<tool_call><function=f></function><function=g></function></tool_call>", []string{"", "f {}", "g {}"}},
	{"qwen", "<tool_call>\n<function=typed>\n<parameter=s>\nab\n</param", []string{"", `typed {"s": "ab`}}, // cut off
	{"qwen", "<tool_call>\n<function=typed>\n<parameter=i>\n1", []string{"", `typed {"i": `}},
	{"qwen", "<tool_call>\n<function=typed>\n<parameter=i>1</parameter><parameter=i>2</parameter></function>", []string{"<parameter=i>2</parameter></function>", `typed {"i": 1`}},
	{"qwen", "<tool_call>\n<function=f>\n", []string{"<tool_call>\n<function=f>\n"}},
	{"qwen", "a <function=f> b", []string{"a <function=f> b"}},
	{"qwen", "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>", []string{"", `f {"a": 1}`}},
	{"seed", "<seed:tool_call>\n<function=typed>\n<parameter=s>1</parameter>\n<parameter=i>1</parameter>\n<parameter=b>True</parameter>\n<parameter=l>['a', (1, None)]</parameter>\n<parameter=o>{'k': \"v\"}</parameter>\n</function>\n</seed:tool_call>",
		[]string{"", `typed {"s": "1", "i": 1, "b": true, "l": ["a", [1, null]], "o": {"k": "v"}}`}},
	{"seed", "<seed:tool_call><function=typed><parameter=n>None</parameter><parameter=e>2</parameter><parameter=m>5</parameter></function></seed:tool_call>", []string{"", `typed {"n": null, "e": "2", "m": 5}`}},
	{"seed", "<seed:tool_call><function=typed><parameter=n>3</parameter><parameter=m>None</parameter><parameter=i> five\n</parameter><parameter=l></parameter></function></seed:tool_call>", []string{"", `typed {"n": "3", "m": "None", "i": " five", "l": ""}`}},
	{"glm", "f\n{\"a\": 1}", []string{"", `f {"a": 1}`}},
	{"glm", "\ng.h\n {\"a\": [1, {}]}\n", []string{"", `g.h {"a": [1, {}]}`}},
	{"glm", "f\n{\"a\": \"x", []string{"", `f {"a": "x`}}, // cut off
	{"glm", "f\n{}\nget_time\n{}", []string{"\nget_time\n{}", "f {}"}},
	{"glm", "\nfine, f\n{}", []string{"\nfine, f\n{}"}},
	{"glm", "get\n{}", []string{"get\n{}"}},
	{"glm", "other\n{}", []string{"other\n{}"}},
	{"glm", "f\n[1]", []string{"f\n[1]"}},
	{"glm", "f", []string{"f"}},
	{"glm", `{"name": "f", "arguments": {}}`, []string{`{"name": "f", "arguments": {}}`}},
	{"xlam", `[{"name": "f", "arguments": {"a": 1}}, {"name": "get_time", "arguments": {}}]`, []string{"", `f {"a": 1}`, "get_time {}"}},
	{"xlam", `[{"name": "Ada", "arguments": {}}]`, []string{`[{"name": "Ada", "arguments": {}}]`}},
	{"nemotron", "Hello", []string{"Hello"}},
	{"nemotron", "", []string{""}},
	{"nemotron", " \n", []string{" \n"}},
	{"nemotron", `<TOOLCALL>[{"name": "f", "arguments": {"a": 1}}]</TOOLCALL>`, []string{"", `f {"a": 1}`}},
	{"nemotron", "Wait.\n <TOOLCALL>[{\"name\":\"f\",\"arguments\":{}}, {\"name\":\"g\",\"arguments\":{\"x\":[1,{\"y\":null}]}}]</TOOLCALL>\n",
		[]string{"Wait.", `f {}`, `g {"x":[1,{"y":null}]}`}},
	{"nemotron", `<TOOLCALL>[{"name":"f","arguments":{}}]</TOOLCALL> and <TOOLCALL>[{"name":"g","arguments":{}}]</TOOLCALL>`, []string{" and", "f {}", "g {}"}},
	{"nemotron", `<TOOLCALL>{"name":"f","arguments":{}}</TOOLCALL>`, []string{"", "f {}"}},
	{"nemotron", `<TOOLCALL>[{"arguments":{"a":"}"},"name":"f"}]</TOOLCALL>`, []string{"", `f {"a":"}"}`}},
	{"nemotron", `<TOOLCALL>[{"id":"1","type":"function","name":"f","arguments":"{\"a\": 1}"}]</TOOLCALL>`, []string{"", `f {"a": 1}`}},
	{"nemotron", `<TOOLCALL>[{"name":"f"}]</TOOLCALL>`, []string{"", "f {}"}},
	{"nemotron", `<TOOLCALL>[{"name":"f","arguments":null}]</TOOLCALL>`, []string{"", "f {}"}},
	{"nemotron", `<TOOLCALL>[{"name":"f","arguments":{"a":1}]</TOOLCALL>`, []string{"", `f {"a":1}`}}, // without its last brace
	{"nemotron", "<TOOLCALL>[{\"name\":\"f\",\"arguments\":{\"a\":\"x\ny\\u00e4\u4f60\"}}]", []string{"", "f {\"a\":\"x\\u000ay\\u00e4\u4f60\"}"}},
	{"nemotron", `<TOOLCALL>[{"name":"f","arguments":{"a":"\`, []string{"", `f {"a":"`}},                  // cut off
	{"nemotron", `<TOOLCALL>[{"name":"f","arguments":{"a":-1.5e3}},{"na`, []string{"", `f {"a":-1.5e3}`}}, // cut off later
	{"nemotron", `<TOOLCALL>[{"name":"f","argu`, []string{`<TOOLCALL>[{"name":"f","argu`}},                // cut off before
	{"nemotron", `<TOOLCALL>[{"name":"f","arguments":{"a":1`, []string{"", `f {"a":1`}},
	// What is no call is text.
	{"nemotron", `a < b <TOOL <<TOOLCALL`, []string{`a < b <TOOL <<TOOLCALL`}},
	{"nemotron", `<TOOLCALL>[]</TOOLCALL>`, []string{`<TOOLCALL>[]</TOOLCALL>`}},
	{"nemotron", `<TOOLCALL>nothing</TOOLCALL>.`, []string{`<TOOLCALL>nothing</TOOLCALL>.`}},
	{"nemotron", `<TOOLCALL>[{"title":"f"}]</TOOLCALL>`, []string{`<TOOLCALL>[{"title":"f"}]</TOOLCALL>`}},
	{"nemotron", `<TOOLCALL>[{"name":"f","arguments":[1]}]</TOOLCALL>`, []string{`<TOOLCALL>[{"name":"f","arguments":[1]}]</TOOLCALL>`}},
	{"nemotron", `<TOOLCALL>[{"name":"f","arguments":"[1]"}]</TOOLCALL>`, []string{`<TOOLCALL>[{"name":"f","arguments":"[1]"}]</TOOLCALL>`}},
	{"nemotron", "<TOOLCALL>[{\"name\":\"f\",\"arguments\":{\"a\":01}}]\x00!", []string{"1}}]\x00!", `f {"a":0`}}, // broken off
	{"nemotron", `<TOOLCALL>[{"name":"f","arguments":{}}, x]`, []string{`, x]`, "f {}"}},
	{"nemotron", "a\x00 <TOOLCALL>[f()]</TOOLCALL>", []string{"a\x00", "f {}"}},
	{"nemotron", "<TOOLCALL>[{\"na\x1f\n", []string{"<TOOLCALL>[{\"na\x1f\n"}},
	{"nemotron", "<TOOLCALL>[{\"arguments\":{\"a\":\"\\\"\n\"}\n,\"name\":\"f\n\"}]</TOOLCALL>", []string{"", "f\n {\"a\":\"\\\"\\u000a\"}"}},
	// Python.
	{"nemotron", `<TOOLCALL>[f(a="x", b=[1, -2.5], c={'k': None, "l": (True, False)}), g.h()]</TOOLCALL>`,
		[]string{"", `f {"a": "x", "b": [1, -2.5], "c": {"k": null, "l": [true, false]}}`, "g.h {}"}},
	{"nemotron", `<TOOLCALL>[f(a='it\'s "so"\n\x41\u00e9\U0001F600\d',)]</TOOLCALL>`, []string{"", `f {"a": "it's \"so\"\nA\u00e9😀\\d"}`}},
	{"nemotron", `<TOOLCALL>[f (x)]</TOOLCALL>`, []string{`<TOOLCALL>[f (x)]</TOOLCALL>`}},
	{"nemotron", `<TOOLCALL>[f(a=1, a=2)]</TOOLCALL>`, []string{`, a=2)]</TOOLCALL>`, `f {"a": 1`}},
	{"nemotron", `<TOOLCALL>[f(a=open("x"))]</TOOLCALL>`, []string{`open("x"))]</TOOLCALL>`, `f {"a": `}},
	{"python", ` [f(a=1), get_time(city="Rome")] `, []string{"", `f {"a": 1}`, `get_time {"city": "Rome"}`}},
	{"python", `[other(a=1)]`, []string{`[other(a=1)]`}},
	{"python", `[1, 2]`, []string{`[1, 2]`}},
	{"python", `so [f(a=1)]`, []string{`so [f(a=1)]`}},
	// Llama 3.
	{"llama", `{"name": "f", "parameters": {"a": "b"}}`, []string{"", `f {"a": "b"}`}},
	{"llama", `{"type": "function", "name": "f", "parameters": {}}; {"name": "f", "parameters": {"a": 1}}`, []string{"", "f {}", `f {"a": 1}`}},
	{"llama", pythonTag + `{"name": "f", "parameters": {}}`, []string{"", "f {}"}},
	{"llama", "Well. " + pythonTag + `[{"name": "f", "parameters": {}}]`, []string{"Well.", "f {}"}},
	{"llama", pythonTag + `get_time.call(city="Rome")`, []string{"", `get_time {"city": "Rome"}`}},
	{"llama", pythonTag + "print(1)", []string{pythonTag + "print(1)"}},
	{"llama", `{"name": "Ada", "parameters": {}}`, []string{`{"name": "Ada", "parameters": {}}`}},
	{"llama", `{"a": 1}`, []string{`{"a": 1}`}},
	{"llama", `so {"name": "f", "parameters": {}}`, []string{`so {"name": "f", "parameters": {}}`}},
}

func TestToolParser(t *testing.T) {
	for _, c := range toolAnswers {
		require.Equal(t, c.want, parsed(c.form, false, c.answer), "%s: %s", c.form, c.answer)
		require.Equal(t, c.want, parsed(c.form, false, strings.Split(c.answer, "")...), "%s: %s", c.form, c.answer)
	}
	// What is said between calls stays there.
	call := `<TOOLCALL>[{"name":"f","arguments":{}}]</TOOLCALL>`
	said := func(text string) callDelta { return callDelta{index: -1, arguments: text} }
	called := func(i int) callDelta { return callDelta{index: i, name: "f", arguments: "{}"} }
	require.Equal(t, []callDelta{said("a"), called(0), said("b"), called(1), called(2), said("c")}, ordered("nemotron", false, "a"+call+"b"+call+call+"c"))
	// Where one call is wanted the first is all.
	require.Equal(t, []string{"", `f {"a":1}`}, parsed("nemotron", true, `<TOOLCALL>[{"name":"f","arguments":{"a":1}},{"name":"g"}]</TOOLCALL> x`))
	require.Equal(t, []string{"", `f {}`}, parsed("mistral", true, `[TOOL_CALLS]f[ARGS]{}[TOOL_CALLS]g[ARGS]{}`))
	require.Equal(t, []string{"", `f {"a": 1}`}, parsed("deepseek", true, deepseekF+" x"))
	deep := `<TOOLCALL>[{"name":"f","arguments":{"a":` + strings.Repeat("[", 1000)
	require.Equal(t, []string{deep[40+maxToolDepth-1:], `f {"a":` + strings.Repeat("[", maxToolDepth-1)}, parsed("nemotron", false, deep))
}

// babble makes answers that are almost calls.
func babble(rng *rand.Rand) string {
	words := []string{
		"<TOOLCALL>", "</TOOLCALL>", "[", "]", "{", "}", `"name"`, ":", `"f"`, ",", `"arguments"`, " ", "\n", "f(", "a=", ")", `'x"\n'`, `"\u00e9"`, "-1.5",
		"True", "null", "word", "<", pythonTag, "f.call(", ";", `{"name":"f","arguments":{`, `"a":1`, "\x00", "é", `\`, "(", `"parameters":`,
		"[TOOL_CALLS]f[ARGS]{", "[TOOL_CALLS]", "[CALL_ID]", "[ARGS]", "<function=f>", "</function>", deepseekF, "<｜tool▁call▁begin｜>function<｜tool▁sep｜>", "<｜tool▁calls▁end｜>",
		"f\n", "get_", "g.h\n{", "<tool_call>", "<function=typed>", "<parameter=s>", "<parameter=n>", "</parameter>", "</tool_call>",
	}
	var text strings.Builder
	if rng.IntN(2) == 0 {
		begun := []string{`<TOOLCALL>[{"name":"f","arguments":{`, `<TOOLCALL>[f(a=`, `{"name":"f","parameters":{`, `[f(a=`, "f\n{", "<tool_call>\n<function=typed>\n<parameter=s>\n"}
		text.WriteString(begun[rng.IntN(len(begun))])
	}
	for range rng.IntN(12) {
		text.WriteString(words[rng.IntN(len(words))])
	}
	return text.String()
}

// pieces cuts a text at random.
func pieces(rng *rand.Rand, text string) (list []string) {
	for len(text) > 0 {
		n := 1 + rng.IntN(min(len(text), 9))
		list = append(list, text[:n])
		text = text[n:]
	}
	return list
}

// Any cut of an answer gives what the whole gives.
func TestToolParserSplits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	calls, n := 0, 20_000
	if testing.Short() {
		n = 2_000
	}
	for range n {
		answer := babble(rng)
		if rng.IntN(4) == 0 {
			answer = toolAnswers[rng.IntN(len(toolAnswers))].answer + answer
		}
		for _, form := range []string{"nemotron", "llama", "python", "mistral", "functionary", "deepseek", "glm", "qwen"} {
			single := rng.IntN(3) == 0
			whole := ordered(form, single, answer)
			require.Equal(t, whole, ordered(form, single, pieces(rng, answer)...), "%s: %q", form, answer)
			for _, call := range whole {
				arguments := call.arguments
				if call.index < 0 {
					continue // text
				}
				require.True(t, arguments == "" || arguments[0] == '{', "%q: %s", answer, arguments)
				if json.Valid([]byte(arguments)) {
					calls++
				}
			}
		}
	}
	require.Greater(t, calls, n/10)
}

func FuzzToolParser(f *testing.F) {
	for _, c := range toolAnswers {
		f.Add(c.answer, uint64(1))
	}
	f.Fuzz(func(t *testing.T, answer string, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, f := range toolForms() {
			form := f.name
			whole := parsed(form, seed%2 == 0, answer)
			require.Equal(t, whole, parsed(form, seed%2 == 0, pieces(rng, answer)...), form)
			if len(whole) == 1 { // nothing is lost
				require.Equal(t, answer, whole[0])
			}
		}
	})
}
