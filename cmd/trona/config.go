package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// config gives flags their values from a JSON object: a key is a flag's name
// without the dashes in front; "_" may stand for "-". The command line and the
// environment go first. A byte order mark, which editors of Windows write, is
// skipped.
type config map[string]any

func readConfig(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("configuration file: something follows the object, at byte %d", decoder.InputOffset())
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
