package server

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"trona/tokenizer"
)

// toolPlace is where a template reads the tools of a request.
type toolPlace uint8

const (
	placeVariable toolPlace = iota // in its variable tools
	placeXML                       // in its variable xml_tools (SmolLM3, first version)
	placeList                      // in the member tools of the system message (GLM-4)
	placeText                      // there as a text, which lists functions (Phi-4-mini)
	toolPlaces
)

// placed returns the conversation with its tools where the template reads them. What
// the client has put there stays.
func (in *renderInput) placed(place toolPlace) *renderInput {
	if place == placeVariable || len(in.tools) == 0 {
		return in
	}
	out := *in
	list := jsontext.Value{'['}
	for i, raw := range in.tools {
		if place == placeText {
			raw = schema{raw: raw}.member("function").raw
		}
		if i > 0 {
			list = append(list, ", "...)
		}
		list = append(list, raw...)
	}
	list = append(list, ']')
	if place == placeXML {
		if in.variable("xml_tools") == nil {
			out.variables = append(slices.Clone(in.variables), tokenizer.Variable{Name: "xml_tools", Value: list})
		}
		return &out
	}
	if place == placeText {
		_ = list.Format(jsontext.SpaceAfterComma(true), jsontext.SpaceAfterColon(true), jsontext.PreserveRawStrings(true)) // a list of what is valid
		list = quote(nil, string(list))
	}
	out.messages = slices.Clone(in.messages)
	if len(out.messages) == 0 || out.messages[0].role != "system" {
		out.messages = append([]message{newMessage("system", "")}, out.messages...)
	}
	if system := &out.messages[0]; (schema{raw: system.raw}).member("tools").raw == nil {
		system.setRaw("tools", list)
	}
	return &out
}
