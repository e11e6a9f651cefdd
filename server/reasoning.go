package server

import "strings"

const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
	blank      = " \t\r\n"
)

// thinkTokens are tokens that stand for the tags: Seed-OSS has others than <think>.
func thinkTokens() map[string]string {
	return map[string]string{thinkOpen: thinkOpen, thinkClose: thinkClose, "<seed:think>": thinkOpen, "</seed:think>": thinkClose}
}

// seedReflection is what a prompt of Seed-OSS that wants no reasoning has behind the tag.
const seedReflection = "<seed:cot_budget_reflect>"

// reasoningSplitter splits an answer, piece by piece, into the reasoning (what
// stands between <think> and </think> at its beginning) and the answer proper.
// The tags and the white space beside them are dropped. How the answer is cut
// into pieces makes no difference, and no part of a tag is passed on.
type reasoningSplitter struct {
	state reasoningState
	held  string // may be part of a tag, or white space before one
}

type reasoningState uint8

const (
	reasonStart  reasoningState = iota // white space so far
	reasonOpened                       // after <think>, white space so far
	reasonInside
	reasonClosed // after </think>, white space so far
	reasonAnswer
)

// promptReasoning returns where an answer begins. A prompt may have opened the
// reasoning at its end, or opened and closed it.
func promptReasoning(prompt string) reasoningState {
	prompt = strings.TrimSuffix(strings.TrimRight(prompt, blank), seedReflection)
	for token, tag := range thinkTokens() {
		if strings.HasSuffix(prompt, token) {
			return map[string]reasoningState{thinkOpen: reasonOpened, thinkClose: reasonClosed}[tag]
		}
	}
	return reasonStart
}

// continuedReasoning returns where an answer goes on that begins with text.
func continuedReasoning(text string) reasoningState {
	opened, closed := strings.LastIndex(text, thinkOpen), strings.LastIndex(text, thinkClose)
	switch at := promptReasoning(text); {
	case at != reasonStart:
		return at
	case opened > closed:
		return reasonInside
	case strings.Trim(text, blank) != "":
		return reasonAnswer
	}
	return reasonStart
}

// thinking reports whether the text so far ends within the reasoning.
func (s *reasoningSplitter) thinking() bool {
	return s.state == reasonOpened || s.state == reasonInside
}

// write takes a piece and returns what is certain by now.
func (s *reasoningSplitter) write(piece string) (reasoning, answer string) {
	s.held += piece
	for {
		before := s.state
		switch s.state {
		case reasonStart:
			s.start()
		case reasonOpened, reasonClosed:
			if s.held = strings.TrimLeft(s.held, blank); s.held != "" {
				s.state++
			}
		case reasonInside:
			reasoning += s.inside()
		case reasonAnswer:
			answer, s.held = answer+s.held, ""
		}
		if s.state == before {
			return reasoning, answer
		}
	}
}

// start looks for the opening tag. An answer without one keeps its white space.
func (s *reasoningSplitter) start() {
	text := strings.TrimLeft(s.held, blank)
	switch {
	case strings.HasPrefix(text, thinkOpen):
		s.state, s.held = reasonOpened, text[len(thinkOpen):]
	case !strings.HasPrefix(thinkOpen, text):
		s.state = reasonAnswer
	}
}

// inside returns the reasoning before the closing tag, or before what may be
// the beginning of white space and that tag.
func (s *reasoningSplitter) inside() string {
	if body, rest, found := strings.Cut(s.held, thinkClose); found {
		s.state, s.held = reasonClosed, rest
		return strings.TrimRight(body, blank)
	}
	safe := len(s.held) - overlap(s.held, thinkClose)
	safe = len(strings.TrimRight(s.held[:safe], blank))
	body := s.held[:safe]
	s.held = s.held[safe:]
	return body
}

// end returns what was held back, where the answer ends. Where it is cut off,
// what may be the beginning of a tag is dropped.
func (s *reasoningSplitter) end(cut bool) (reasoning, answer string) {
	held := s.held
	s.held = ""
	tag := map[reasoningState]string{reasonStart: thinkOpen, reasonInside: thinkClose}[s.state]
	if cut && overlap(held, tag) > 0 {
		return "", ""
	}
	switch s.state {
	case reasonInside:
		return held, ""
	case reasonStart:
		return "", held
	}
	return "", ""
}

// overlap returns how many bytes at the end of text begin the tag.
func overlap(text, tag string) int {
	for n := min(len(tag)-1, len(text)); n > 0; n-- {
		if strings.HasSuffix(text, tag[:n]) {
			return n
		}
	}
	return 0
}
