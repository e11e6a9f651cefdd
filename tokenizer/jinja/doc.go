// Package jinja renders Jinja2 chat templates as Hugging Face's transformers
// does, byte for byte, under hard limits.
//
// It is an interpreter for the language of Jinja2 3.1 with these settings: the
// immutable sandbox, trim_blocks, lstrip_blocks, loop controls, the generation
// tag, no autoescape, tojson as Python's json.dumps(ensure_ascii=False),
// raise_exception and strftime_now. Errors have the kind and words of Python
// 3.11. Left out are the filters urlize and wordwrap, filler text (lipsum), and
// what needs a loader: include, import and extends fail as without one.
//
// # How does a rendering go?
//
// New lexes (lexer.go), parses (parser.go, parse_expr.go) and resolves names
// to slots (scope.go, resolve.go). Render walks the tree: statements in exec.go
// and loop.go, expressions in eval.go, operators.go, attribute.go and call.go,
// all on the small set of value types in value.go. Filters, tests, functions
// and methods are in the files of those names; what Python does with text and
// numbers is in text.go, number.go, printf.go, format.go, repr.go and tojson.go.
//
// # Why are names resolved statically?
//
// Jinja compiles to Python, so what a name means depends on where it is
// assigned, not on what ran before: a set inside a for is local to the
// iteration, one inside an if is not, a macro sees the latest value of an
// outer variable. Resolving the same way gives the same answers.
//
// # Why a budget and not a timeout?
//
// A template is untrusted. Every node evaluated, element copied and 64 bytes
// scanned or written costs a step, so the work is bounded and the outcome does
// not depend on the machine.
package jinja
