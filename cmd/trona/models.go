package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"trona/model/demo"
	"trona/tokenizer"
)

// modelFlags name several models; serve and plan have them.
type modelFlags struct {
	Models []string `name:"model" help:"Model with its name in the API, instead of MODEL; repeated for several models, the first answers requests that name none. One path under two names is one model." placeholder:"NAME=MODEL"`
}

// source is a model to open, and its names in the API.
type source struct {
	path     string
	names    []string            // none: one that follows from path
	template *tokenizer.Template // nil: the model's own
}

// sources returns the models that the command line asks for: those of --model,
// or else MODEL (nil: absent), under the served names if there are any.
func (f *modelFlags) sources(given *string, served []string) ([]source, error) {
	if len(f.Models) == 0 {
		path := demo.Name
		if given != nil {
			path = *given // "" too: a variable of a script that is empty means no model
		}
		return []source{{path: path, names: served}}, nil
	}
	if given != nil {
		return nil, usagef("MODEL %s stands beside --model: give each model with --model NAME=MODEL", *given)
	}
	if len(served) > 0 {
		return nil, usagef("--served-model-name is for MODEL; --model NAME=MODEL has the name")
	}
	var list []source
	var names []string
	for _, given := range f.Models {
		name, path, found := strings.Cut(given, "=")
		if !found || name == "" || path == "" {
			return nil, usagef("--model %s: must be NAME=MODEL; one model alone is named without --model", given)
		}
		if slices.Contains(names, name) {
			return nil, usagef("--model %s: the name %s stands twice", given, name)
		}
		names = append(names, name)
		same := func(s source) bool { return s.path == path }
		if i := slices.IndexFunc(list, same); i >= 0 {
			list[i].names = append(list[i].names, name)
		} else {
			list = append(list, source{path: path, names: []string{name}})
		}
	}
	return list, nil
}

// splitNumber is what the name of a split file has before ".gguf".
var splitNumber = regexp.MustCompile(`-\d{5}-of-\d{5}$`)

// modelName returns the name of a model after its path. A folder in a cache of
// Hugging Face is called after a commit; there it is the name on the hub, of
// models--ORG--NAME/snapshots/COMMIT.
func modelName(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full // "." has no name
	}
	if snapshots := filepath.Dir(path); filepath.Base(snapshots) == "snapshots" {
		if name, ok := strings.CutPrefix(filepath.Base(filepath.Dir(snapshots)), "models--"); ok {
			return strings.ReplaceAll(name, "--", "/")
		}
	}
	return splitNumber.ReplaceAllString(strings.TrimSuffix(filepath.Base(path), ".gguf"), "")
}
