package server

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"trona/engine"
	"trona/tokenizer"
)

// minLogprob stands for minus infinity, which JSON does not know. OpenAI and
// vLLM print the same.
const minLogprob = -9999

// finite returns a log probability that JSON can hold.
func finite(x float32) float32 {
	if math.IsInf(float64(x), -1) {
		return minLogprob
	}
	return x
}

// tokenName returns how a token is called in log probabilities: its text, or
// its id on request. Bytes that are no text become U+FFFD in chats.
func (j *job) tokenName(id int32) string {
	if j.params.tokensAsIDs {
		return "token_id:" + strconv.Itoa(int(id))
	}
	return strings.ToValidUTF8(string(j.model.Tokenizer.TokenBytes(id)), string(utf8.RuneError))
}

// plainName is tokenName for completions, which have no list of bytes: there
// bytes that are no text are spelled out, as OpenAI does, to stay distinct.
func (j *job) plainName(id int32) string {
	b := j.model.Tokenizer.TokenBytes(id)
	if j.params.tokensAsIDs || utf8.Valid(b) {
		return j.tokenName(id)
	}
	var name strings.Builder
	name.WriteString("bytes:")
	for _, c := range b {
		fmt.Fprintf(&name, `\x%02x`, c)
	}
	return name.String()
}

func (j *job) logprob(id int32, value float32) logprob {
	text := j.model.Tokenizer.TokenBytes(id)
	bytes := make([]int, len(text))
	for i, b := range text {
		bytes[i] = int(b)
	}
	return logprob{Token: j.tokenName(id), Logprob: finite(value), Bytes: bytes}
}

// chatLogprobs returns the log probabilities of a piece; nil where the request
// asks for none.
func (j *job) chatLogprobs(tokens []drawn) *chatLogprobs {
	if !j.params.sampling.Logprob {
		return nil
	}
	content := make([]chatLogprob, len(tokens))
	for i, token := range tokens {
		top := make([]logprob, len(token.Top))
		for k, other := range token.Top {
			top[k] = j.logprob(other.Token, other.Logprob)
		}
		content[i] = chatLogprob{logprob: j.logprob(token.Token, token.Logprob), TopLogprobs: top}
	}
	return &chatLogprobs{Content: content}
}

// completionLogprobs returns the log probabilities of a piece whose text begins
// at that many characters; nil where the request asks for none.
func (j *job) completionLogprobs(tokens []drawn, offset int) *completionLogprobs {
	if !j.params.sampling.Logprob {
		return nil
	}
	l := newCompletionLogprobs(len(tokens))
	for _, token := range tokens {
		top := map[string]float32{}
		for _, other := range token.Top {
			j.alternative(top, other.Token, other.Logprob)
		}
		j.alternative(top, token.Token, token.Logprob)
		l.add(j.plainName(token.Token), &token.Logprob, top, offset+token.offset)
	}
	return l
}

// alternative notes a token under its name; the likelier of two with one name
// counts.
func (j *job) alternative(top map[string]float32, id int32, value float32) {
	name := j.plainName(id)
	if before, ok := top[name]; !ok || before < value {
		top[name] = finite(value)
	}
}

func newCompletionLogprobs(n int) *completionLogprobs {
	return &completionLogprobs{
		Tokens:        make([]string, 0, n),
		TokenLogprobs: make([]*float32, 0, n),
		TopLogprobs:   make([]map[string]float32, 0, n),
		TextOffset:    make([]int, 0, n),
	}
}

// add appends a token; the first of an echoed prompt has no log probability.
func (l *completionLogprobs) add(name string, value *float32, top map[string]float32, offset int) {
	if value != nil {
		v := finite(*value)
		value = &v
	}
	l.Tokens = append(l.Tokens, name)
	l.TokenLogprobs = append(l.TokenLogprobs, value)
	l.TopLogprobs = append(l.TopLogprobs, top)
	l.TextOffset = append(l.TextOffset, offset)
}

// join appends the tokens of a later piece.
func (l *completionLogprobs) join(more *completionLogprobs) *completionLogprobs {
	if l == nil || more == nil {
		return more
	}
	l.Tokens = append(l.Tokens, more.Tokens...)
	l.TokenLogprobs = append(l.TokenLogprobs, more.TokenLogprobs...)
	l.TopLogprobs = append(l.TopLogprobs, more.TopLogprobs...)
	l.TextOffset = append(l.TextOffset, more.TextOffset...)
	return l
}

// promptLogprobs returns vLLM's list for a prompt: for each token a map from
// ids to values, null for a token that nothing precedes.
func (j *job) promptLogprobs(p *prompt, known []engine.PromptLogprob) []map[string]promptLogprobItem {
	if j.params.promptLogprobs < 0 {
		return nil
	}
	list := make([]map[string]promptLogprobItem, len(p.ids))
	first := len(p.ids) - len(known)
	for i, at := range known {
		if first+i == 0 {
			continue
		}
		items := map[string]promptLogprobItem{}
		for rank, other := range at.Top {
			items[strconv.Itoa(int(other.Token))] = promptLogprobItem{finite(other.Logprob), rank + 1, j.tokenName(other.Token)}
		}
		items[strconv.Itoa(int(at.Token))] = promptLogprobItem{finite(at.Logprob), at.Rank, j.tokenName(at.Token)}
		list[first+i] = items
	}
	return list
}

// echoLogprobs returns the log probabilities of an echoed prompt.
func (j *job) echoLogprobs(p *prompt, known []engine.PromptLogprob) *completionLogprobs {
	if !j.params.sampling.Logprob {
		return nil
	}
	l := newCompletionLogprobs(len(p.ids))
	first := len(p.ids) - len(known)
	text := j.model.Tokenizer.NewDecoder(tokenizer.DecodeOptions{ShowSpecial: true})
	offset := 0
	for i, id := range p.ids {
		at := offset
		if i >= p.added {
			offset += utf8.RuneCountInString(text.Append(id))
		}
		if i == 0 || i < first {
			l.add(j.plainName(id), nil, nil, at)
			continue
		}
		k := &known[i-first]
		top := map[string]float32{}
		for _, other := range k.Top {
			j.alternative(top, other.Token, other.Logprob)
		}
		j.alternative(top, id, k.Logprob)
		l.add(j.plainName(id), &k.Logprob, top, at)
	}
	return l
}
