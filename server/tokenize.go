package server

import (
	"net/http"
	"strings"

	"trona/tokenizer"
)

type tokenizeResponse struct {
	Count       int      `json:"count"`
	MaxModelLen int      `json:"max_model_len"`
	Tokens      []int32  `json:"tokens"`
	TokenStrs   []string `json:"token_strs"`
}

// tokenize serves POST /tokenize: a prompt, or the messages of a chat, as tokens.
func (s *Server) tokenize(w http.ResponseWriter, r *http.Request, models modelSet) error {
	j := s.newJob(w, r, models)
	var response *tokenizeResponse
	err := s.withBody(w, r, func(body []byte) (err error) {
		if response, err = j.tokens(w, body); err != nil {
			return err
		}
		return j.held.take(int64(8*len(response.Tokens)+64*len(response.TokenStrs)), 0) // JSON, and texts
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, response)
	return nil
}

// tokens answers the body of a request to tokenize.
func (j *job) tokens(w http.ResponseWriter, body []byte) (*tokenizeResponse, error) {
	o, d := decodeObject(body)
	j.readModel(o)
	j.choose(o)
	m := j.model
	strs := o.flag("return_token_strs", false)
	var p *prompt
	if v := o.take("prompt"); v != nil {
		p = &prompt{text: v.text(0, j.server.options.maxText())}
		if o.take("messages") != nil {
			v.fail("stands beside messages; send one of the two")
		}
		p.ids, _ = m.encodeText(p.text, o.flag("add_special_tokens", true))
		o.rest()
	} else {
		if d.err == nil && o.peek("messages") == nil {
			return nil, invalid("prompt", "is required, or messages")
		}
		var in renderInput
		in.read(o, m)
		o.rest()
		if d.err == nil {
			if j.auto {
				j.decide(&in, -1)
			}
			var err error
			if p, err = in.prompt(m); err != nil {
				return nil, err
			}
		}
	}
	if d.err != nil {
		return nil, d.err
	}
	if err := j.noteIgnored(w, d.ignored); err != nil {
		return nil, err
	}
	response := &tokenizeResponse{Count: len(p.ids), MaxModelLen: m.ContextLength, Tokens: p.ids}
	if strs {
		response.TokenStrs = make([]string, len(p.ids))
		for i, id := range p.ids {
			response.TokenStrs[i] = strings.ToValidUTF8(m.Tokenizer.Token(id), "\uFFFD")
		}
	}
	return response, nil
}

type detokenizeResponse struct {
	Prompt string `json:"prompt"`
}

// detokenize serves POST /detokenize. Special tokens come back as their text.
func (s *Server) detokenize(w http.ResponseWriter, r *http.Request, models modelSet) error {
	j := s.newJob(w, r, models)
	var response detokenizeResponse
	err := s.withBody(w, r, func(body []byte) error {
		o, d := decodeObject(body)
		j.readModel(o)
		j.choose(o)
		m := j.model
		var ids []int32
		tokens := o.need("tokens")
		for _, id := range tokens.list(0, len(tokens.raw)) {
			ids = append(ids, id.tokenID(m.VocabSize))
		}
		o.rest()
		if d.err != nil {
			return d.err
		}
		response.Prompt = m.Tokenizer.Decode(ids, tokenizer.DecodeOptions{ShowSpecial: true})
		if err := j.held.take(int64(len(response.Prompt))*heldPerLetter, 0); err != nil {
			return err
		}
		return j.noteIgnored(w, d.ignored)
	})
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, response)
	return nil
}

// tokenizerInfo is what programs that evaluate models need of a tokenizer beside
// the two routes above: vLLM's form of a checkpoint's tokenizer_config.json.
type tokenizerInfo struct {
	Class    string  `json:"tokenizer_class"`
	MaxLen   int     `json:"model_max_length"`
	BOS      *string `json:"bos_token"`
	EOS      *string `json:"eos_token"`
	Unknown  *string `json:"unk_token"`
	Pad      *string `json:"pad_token"`
	Template *string `json:"chat_template"`
}

// tokenizerInfo serves GET /tokenizer_info, of the first model or of ?model=.
func (s *Server) tokenizerInfo(w http.ResponseWriter, r *http.Request) error {
	models := s.loaded()
	if models == nil {
		return loadingError()
	}
	m := models[0]
	if name := r.URL.Query().Get("model"); name != "" {
		var err *apiError
		if m, err = models.named(name); err != nil {
			return err
		}
	}
	info := tokenizerInfo{Class: "Tokenizer", MaxLen: m.ContextLength}
	for name, text := range map[string]**string{"bos_token": &info.BOS, "eos_token": &info.EOS, "unk_token": &info.Unknown, "pad_token": &info.Pad} {
		named, _ := m.Tokenizer.NamedToken(name)
		*text = orNull(named)
	}
	if m.Template != nil {
		source := m.Template.Source()
		info.Template = &source
	}
	writeJSON(w, http.StatusOK, info)
	return nil
}
