package tokenizer

import (
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// configFile is what matters here in a tokenizer_config.json. A special token
// is a string or an object with its content; a chat template is a string, or a
// list or an object of named ones.
type configFile struct {
	BOSToken     jsontext.Value `json:"bos_token"`
	EOSToken     jsontext.Value `json:"eos_token"`
	UNKToken     jsontext.Value `json:"unk_token"`
	PADToken     jsontext.Value `json:"pad_token"`
	Class        string         `json:"tokenizer_class"`
	AddBOSToken  *bool          `json:"add_bos_token"`
	AddEOSToken  *bool          `json:"add_eos_token"`
	ChatTemplate jsontext.Value `json:"chat_template"`
}

// readConfig reads the files beside tokenizer.json.
func (s *source) readConfig(f Files) error {
	known := s.named // by the vocabulary's own file
	s.named = map[string]string{}
	var config, special configFile
	for _, file := range []struct {
		name string
		data []byte
		to   *configFile
	}{
		{"tokenizer_config.json", f.Config, &config},
		{"special_tokens_map.json", f.SpecialTokensMap, &special},
	} {
		if file.data == nil {
			continue
		}
		if err := unmarshal(file.data, file.to); err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
		if err := s.readNames(file.to); err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
	}
	for name, text := range known {
		if _, ok := s.named[name]; !ok {
			s.named[name] = text
		}
	}
	s.findEnds()
	if !config.plain() {
		s.addBOS, s.addEOS = is(config.AddBOSToken, s.addBOS), is(config.AddEOSToken, s.addEOS)
		if is(config.AddBOSToken, false) {
			s.begin = nil
		}
	}
	if err := s.readTemplateList(config.ChatTemplate); err != nil {
		return fmt.Errorf("tokenizer_config.json: chat_template: %w", err)
	}
	if f.ChatTemplate != nil { // the newer place, which wins
		s.setTemplate("default", string(f.ChatTemplate))
	}
	for _, t := range f.Named {
		s.setTemplate(t.Name, t.Text)
	}
	return nil
}

// plain reports whether the class adds the tokens of the post-processor, whatever
// add_bos_token and add_eos_token say. Others make a post-processor of the two.
func (c *configFile) plain() bool {
	return c.Class == "PreTrainedTokenizerFast" || c.Class == "TokenizersBackend"
}

// readNames notes the special tokens that are not named yet.
func (s *source) readNames(c *configFile) error {
	for _, e := range []struct {
		name  string
		value jsontext.Value
	}{{"bos_token", c.BOSToken}, {"eos_token", c.EOSToken}, {"unk_token", c.UNKToken}, {"pad_token", c.PADToken}} {
		text, err := tokenText(e.value)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if _, ok := s.named[e.name]; !ok && text != "" {
			s.named[e.name] = text
		}
	}
	return nil
}

// tokenText returns the text of a special token, "" for none.
func tokenText(value jsontext.Value) (string, error) {
	switch value.Kind() {
	case '"':
		var text string
		err := unmarshal(value, &text)
		return text, err
	case '{':
		var object struct {
			Content string `json:"content"`
		}
		err := unmarshal(value, &object)
		return object.Content, err
	case 'n', jsontext.KindInvalid: // absent
		return "", nil
	}
	return "", fmt.Errorf("%.40s is not a token", value)
}

// findEnds finds the ids of the begin and end tokens by their names, and the
// names of those that the post-processor adds.
func (s *source) findEnds() {
	bos, eos := s.named["bos_token"], s.named["eos_token"]
	for id, t := range s.tokens {
		if t.kind == absent {
			continue
		}
		if t.text == bos && s.bos < 0 {
			s.bos = int32(id)
		}
		if t.text == eos && len(s.eos) == 0 {
			s.eos = []int32{int32(id)}
		}
	}
	for name, id := range map[string]int32{"bos_token": s.bos, "eos_token": append(s.eos, -1)[0]} {
		if _, ok := s.named[name]; !ok && id >= 0 && int(id) < len(s.tokens) {
			s.named[name] = s.tokens[id].text
		}
	}
}

func (s *source) readTemplateList(value jsontext.Value) error {
	switch value.Kind() {
	case 'n', jsontext.KindInvalid:
		return nil
	case '"':
		var text string
		if err := unmarshal(value, &text); err != nil {
			return err
		}
		s.setTemplate("default", text)
		return nil
	case '{':
		var named map[string]string
		if err := unmarshal(value, &named); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(named)) {
			s.setTemplate(name, named[name])
		}
		return nil
	}
	var list []struct {
		Name     string `json:"name"`
		Template string `json:"template"`
	}
	if err := unmarshal(value, &list); err != nil {
		return err
	}
	for _, e := range list {
		s.setTemplate(e.Name, e.Template)
	}
	return nil
}

// setTemplate adds a template or replaces the one with this name.
func (s *source) setTemplate(name, text string) {
	for i := range s.templates {
		if s.templates[i].Name == name {
			s.templates[i].Text = text
			return
		}
	}
	s.templates = append(s.templates, ChatTemplate{Name: name, Text: text})
}
