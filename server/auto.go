package server

import (
	"cmp"
	"slices"
	"strings"
)

// A request for the model "auto" leaves the choice to the server: easy ones go
// to the smallest model, hard ones to the largest, and whether to reason is
// decided with it where the request does not say. The choice follows from the
// request alone (sketch.judge), so the same request gets the same model.

const autoName = "auto"

// headers that report a choice.
const (
	headerModel    = "X-Trona-Model"
	headerThinking = "X-Trona-Thinking"
	headerSignals  = "X-Trona-Signals"
)

// choose picks the model of a request for "auto", before anything is read that
// depends on the model.
func (j *job) choose(o *object) {
	if !j.auto || o.d.err != nil {
		return
	}
	k := newSketch(o)
	if k.ids && len(j.models) > 1 {
		o.d.err = invalid("model", "token ids belong to one vocabulary: name the model, not %q", autoName)
		return
	}
	v := k.judge()
	pick, other := j.models.ends()
	if v.large {
		pick, other = other, pick
	}
	if need := k.bytes/4 + k.tokens; need > pick.ContextLength && other.ContextLength > pick.ContextLength {
		pick, v.signals = other, append(v.signals, signalContext)
	}
	j.model, j.think = pick, v.think
	j.head.Set(headerModel, pick.Names[0])
	var names []string
	for _, s := range v.signals {
		names = append(names, string(s))
	}
	j.head.Set(headerSignals, strings.Join(names, ", "))
}

// ends returns the smallest and the largest model: of those that chat, if any do.
func (l modelSet) ends() (small, large *Model) {
	mute := func(m *Model) bool { return m.Template == nil }
	if !slices.ContainsFunc(l, func(m *Model) bool { return !mute(m) }) {
		mute = func(*Model) bool { return false }
	}
	list := slices.DeleteFunc(slices.Clone(l), mute)
	size := func(a, b *Model) int { return cmp.Compare(a.Parameters, b.Parameters) }
	return slices.MinFunc(list, size), slices.MaxFunc(list, size)
}

// autoCard lists "auto" where there is something to choose.
func (l modelSet) autoCard() (card modelCard, ok bool) {
	if len(l) < 2 || slices.ContainsFunc(l, func(m *Model) bool { return m.has(autoName) }) {
		return card, false
	}
	_, large := l.ends()
	card = large.card(autoName)
	card.Root = autoName
	return card, true
}

// decide switches reasoning for a chat with "auto" that does not say itself (a
// budget says so too; -1 is none), and reports what holds.
func (j *job) decide(in *renderInput, budget int) {
	how := in.switches(j.model)
	switch {
	case in.saysReasoning(how):
	case budget >= 0:
		in.think(how, budget > 0)
	default:
		in.think(how, j.think)
	}
	state := in.reasons(how)
	if how.variable != "" {
		state = map[string]reasoning{how.on: reasonOn, how.off: reasonOff}[string(in.variable(how.variable))]
	}
	if name := map[reasoning]string{reasonOn: "on", reasonOff: "off"}[state]; name != "" {
		j.head.Set(headerThinking, name)
	}
}

// saysReasoning reports whether the request itself switches reasoning: by a
// variable (which reasoning_effort has become) or in its system message.
func (in *renderInput) saysReasoning(how thinking) bool {
	for _, name := range []string{"reasoning_effort", "thinking", "enable_thinking", budgetName} {
		if raw := in.variable(name); raw != nil && raw.Kind() != 'n' {
			return true
		}
	}
	system := in.messages[0]
	if system.role != "system" {
		return false
	}
	var words []string
	switch {
	case how.slash:
		words = []string{slashOn, slashOff}
	case how.detailed:
		words = []string{detailedOn, detailedOff}
	}
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(system.text, w) })
}
