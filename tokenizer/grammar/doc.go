// Package grammar turns a constraint on text (a JSON schema, a regular
// expression, a grammar in GBNF) into the set of tokens that may come next.
//
// # How does a constraint become a mask?
//
// A constraint is compiled to terminals, which are deterministic automata over
// bytes (dfa.go), below symbols that nest: rules, objects and arrays
// (machine.go). The text read so far is a set of configurations, each a
// terminal half read and a stack of what follows it. A token is allowed where
// at least one configuration survives all of its bytes.
//
// Most of a mask depends on the state of the terminal alone, not on the stack
// below it: which tokens stay inside it, and which leave it and with what rest.
// Both are found once for each state, by a walk over the trie of the vocabulary
// (mask.go), and kept. Only the rests are then tried against the stack.
//
// # Why are objects not context-free rules?
//
// JSON does not order the members of an object, and n of them have n! orders.
// So an object is a symbol of its own whose frame on the stack remembers which
// members were seen.
//
// # What is not an automaton?
//
// Encoded labels of host names. The automaton of a format marks where one stands in a text; at
// its end it is decoded and checked (labels.go).
//
// # What happens to a constraint that cannot be kept?
//
// It is refused, with an Error that names the place and the keyword. Nothing is
// ignored: what the mask lets through satisfies the constraint.
package grammar
