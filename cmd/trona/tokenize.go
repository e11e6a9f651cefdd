package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"trona/tokenizer"
)

// tokenizeCommand turns text into token ids, or back.
type tokenizeCommand struct {
	Model   string `arg:"" help:"Model, or a tokenizer.json or tokenizer.model." default:"demo" optional:""`
	JSONL   bool   `name:"jsonl" help:"Read a JSON string from each line and write a JSON array of ids (with --decode the other way round)."`
	Special bool   `help:"Take the text of a special token for that token; with --decode write it."`
	BOS     bool   `name:"bos" help:"Put the tokens that begin a text first."`
	Decode  bool   `help:"Turn ids into text."`
}

// Run reads stdin and writes stdout.
func (c *tokenizeCommand) Run(std stdio) error {
	if c.Decode && c.BOS {
		return usagef("--bos has no meaning with --decode")
	}
	t, err := openTokenizer(c.Model)
	if err != nil {
		return err
	}
	if c.BOS && len(t.Begin()) == 0 {
		return errors.New("--bos: this vocabulary has no begin token")
	}
	if c.JSONL {
		return eachLine(std, func(line []byte) (any, error) { return c.line(t, line) })
	}
	input, err := io.ReadAll(std.in)
	if err != nil {
		return err
	}
	if c.Decode {
		return c.decode(t, string(input), std.out)
	}
	var out []byte
	for i, id := range c.encode(t, string(input)) {
		if i > 0 {
			out = append(out, ' ')
		}
		out = strconv.AppendInt(out, int64(id), 10)
	}
	_, err = std.out.Write(append(out, '\n'))
	return err
}

func (c *tokenizeCommand) encode(t *tokenizer.Tokenizer, text string) []int32 {
	return t.Encode(text, tokenizer.EncodeOptions{ParseSpecial: c.Special, AddBOS: c.BOS})
}

// decode writes the text of ids that white space separates, nothing added.
func (c *tokenizeCommand) decode(t *tokenizer.Tokenizer, input string, out io.Writer) error {
	var ids []int32
	for _, word := range strings.Fields(input) {
		id, err := strconv.ParseInt(word, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not a token id: want numbers between spaces, or with --jsonl a JSON array on each line", word)
		}
		ids = append(ids, int32(id))
	}
	if err := checkIDs(t, ids); err != nil {
		return err
	}
	_, err := io.WriteString(out, t.Decode(ids, tokenizer.DecodeOptions{ShowSpecial: c.Special}))
	return err
}

// line turns a line of --jsonl into what is written for it.
func (c *tokenizeCommand) line(t *tokenizer.Tokenizer, line []byte) (any, error) {
	if !c.Decode {
		var text string
		if err := json.Unmarshal(line, &text); err != nil {
			return nil, fmt.Errorf("want a JSON string: %w", err)
		}
		return append([]int32{}, c.encode(t, text)...), nil
	}
	var ids []int32
	if err := json.Unmarshal(line, &ids); err != nil {
		return nil, fmt.Errorf("want a JSON array of ids: %w", err)
	}
	if err := checkIDs(t, ids); err != nil {
		return nil, err
	}
	return t.Decode(ids, tokenizer.DecodeOptions{ShowSpecial: c.Special}), nil
}

func checkIDs(t *tokenizer.Tokenizer, ids []int32) error {
	for _, id := range ids {
		if id < 0 || int(id) >= t.VocabSize() {
			return fmt.Errorf("there is no token %d, the vocabulary has %d", id, t.VocabSize())
		}
	}
	return nil
}

// eachLine turns each line of stdin into a JSON value on a line of stdout, at
// once, so that another program may wait for it. Empty lines are skipped.
func eachLine(std stdio, do func(line []byte) (any, error)) error {
	in, out := bufio.NewReaderSize(std.in, 1<<16), bufio.NewWriterSize(std.out, 1<<16)
	for number := 1; ; number++ {
		line, readError := in.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			value, err := do(line)
			if err == nil {
				err = json.MarshalWrite(out, value)
			}
			if err == nil {
				err = out.WriteByte('\n')
			}
			if err != nil {
				return errors.Join(out.Flush(), fmt.Errorf("line %d: %w", number, err))
			}
		}
		if readError != nil {
			if readError == io.EOF {
				readError = nil
			}
			return errors.Join(out.Flush(), readError)
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}
