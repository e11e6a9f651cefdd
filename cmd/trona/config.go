package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	strictjson "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// byteOrderMark stands at the beginning of files that editors of Windows write.
const byteOrderMark = "\ufeff"

// config gives flags their values from a JSON object: a key is a flag's name
// without the dashes in front; "_" may stand for "-". The command line and the
// environment go first.
type config map[string]any

func readConfig(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	if rest, marked := bytes.CutPrefix(text, []byte(byteOrderMark)); marked {
		text = append([]byte("   "), rest...) // offsets stay those of the file
	}
	var object jsontext.Value
	if err := strictjson.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("configuration file: %w", notJSON(err))
	}
	if object.Kind() != '{' {
		return nil, errors.New(`configuration file: want an object, such as {"port": 8080}`)
	}
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	c := config{}
	for key, value := range values {
		name := strings.ReplaceAll(key, "_", "-")
		if _, twice := c[name]; twice {
			return nil, fmt.Errorf("configuration file: %q stands twice", key)
		}
		switch v := value.(type) {
		case json.Number:
			c[name] = v.String()
		case string, bool, []any:
			c[name] = v
		default:
			return nil, fmt.Errorf("configuration file: %q is no value of a flag", key)
		}
	}
	return c, nil
}

// notJSON says where a text is not JSON.
func notJSON(err error) error {
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("not valid JSON: %w at byte %d", syntax.Err, syntax.ByteOffset)
	}
	return err
}

// Validate refuses keys that no command knows.
func (c config) Validate(app *kong.Application) error {
	known := map[string]bool{}
	err := kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known[flag.Name] = true
		}
		return next(nil)
	})
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if !known[name] || name == "config" || name == "help" || name == "version" {
			return fmt.Errorf("configuration file: there is no flag --%s", name)
		}
	}
	return err
}

// Resolve returns the value of a flag that the environment does not set.
func (c config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	value, ok := c[flag.Name]
	if !ok {
		return nil, nil
	}
	return value, nil
}
