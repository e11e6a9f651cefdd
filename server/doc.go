// Package server speaks HTTP and JSON: the routes of OpenAI and of Anthropic's
// messages over an engine that knows tokens only. It reads requests strictly, turns messages
// into tokens and tokens into text, and holds no state but counters and the responses that it
// was asked to keep.
//
//	body -> decode.go, object.go, value.go -> chat.go / completions.go (fields)
//	     -> messages.go, thinking.go, prompt.go (template, tokens) -> job.go (one goroutine a choice)
//	     -> text.go (decoder, stop strings, reasoning) -> stream.go or one body
//
// # How are bad requests answered?
//
// Always with {"error": {message, type, param, code}}; param is the path of the
// offending field, as in "messages[2].content". errors.go is the one table.
//
// # What is null?
//
// An optional member that is null is absent. An element of a list is never
// null.
//
// # What happens to fields that the server does not know?
//
// They are accepted and named in the response header x-trona-ignored. A field
// that it does know and cannot honour (audio, web_search_options) is an error
// instead.
//
// # Where is all of this written down?
//
// In openapi.json, which GET /openapi.json serves. The tests send requests that
// it allows and requests that it does not, look for members that it does not
// name, compare it with the types of answers, and hold every answer of every
// test against it and against OpenAI's own document (package apitest).
//
// # What may a request without a key see?
//
// Where keys are set, only the health routes and the page /docs: everything
// else, /metrics and unknown paths included, answers 401.
//
// # Who may ask a server without keys?
//
// Whoever reaches its address, but no page of another site in a browser: not across origins,
// and not under a name of its own that leads here (origin.go). Origins that Options.Origins
// names may ask, and read the answers (cors.go).
//
// # How is a model told to reason, or not to?
//
// In the way of its chat template, which thinking.go finds by rendering small
// conversations. What the client says in its own system message takes precedence.
//
// # How are the choices of n seeded?
//
// The first choice has the request's own seed (a random one where it gives
// none), choice i the i-th value of SplitMix64 that starts there.
package server
