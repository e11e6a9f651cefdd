package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the generated parts of docs")

const generated = "<!-- The rest is written by: go test ./cmd/trona -run TestDocsCommands -rewrite -->\n"

// TestDocsCommands holds docs/cli.md against the command line.
func TestDocsCommands(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "cli.md")
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(data), generated)
	require.True(t, found)
	want := commandDocs(t)
	if *rewrite {
		require.NoError(t, os.WriteFile(path, []byte(head+generated+want), 0o644))
		return
	}
	require.Equal(t, want, rest, "the documents are behind: run with -rewrite")
}

// TestDocsElsewhere gives serve the flags that docs/cli.md says other servers have: it names
// what stands here for them, or says why there is nothing.
func TestDocsElsewhere(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(data), "| | llama-server | vllm serve |")
	require.True(t, found)
	quoted, tried := regexp.MustCompile("`(-[^`]*)`"), 0
	for _, row := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(row, "|")
		if len(cells) < 5 {
			break
		}
		for _, flag := range quoted.FindAllStringSubmatch(cells[2]+cells[3], -1) {
			want := "unknown flag " + flag[1] + ": "
			if here := quoted.FindStringSubmatch(cells[1]); here != nil {
				want += "here it is " + here[1]
			}
			if slices.Contains([]string{"--device", "--threads", "-t"}, flag[1]) {
				continue // the same here
			}
			for _, args := range [][]string{{flag[1], "1"}, {flag[1] + "=1"}, {"demo", "--port", "0", flag[1]}} {
				r := trona(t, "", append([]string{"serve"}, args...)...)
				require.Equal(t, exitUsage, r.code)
				require.Contains(t, r.err, want, args)
			}
			tried++
		}
	}
	require.Greater(t, tried, 15)
}

// commandDocs describes every command and flag.
func commandDocs(t *testing.T) string {
	parser, err := newParser(new(cli), stdio{strings.NewReader(""), io.Discard, io.Discard})
	require.NoError(t, err)
	results := map[string]any{"inspect": inspection{}, "plan": planResult{}, "bench": benchRow{}, "perplexity": perplexityResult{}}
	var doc strings.Builder
	for _, command := range parser.Model.Children {
		fmt.Fprintf(&doc, "\n## trona %s%s\n\n%s\n\n| flag | default | |\n|---|---|---|\n", command.Name, arguments(command), command.Help)
		for _, f := range command.Flags {
			name := "`--" + f.Name + "`"
			if f.Short != 0 {
				name = fmt.Sprintf("`-%c`, %s", f.Short, name)
			}
			value := ""
			if f.HasDefault && f.Default != "" {
				value = "`" + f.Default + "`"
			}
			fmt.Fprintf(&doc, "| %s | %s | %s |\n", name, value, strings.ReplaceAll(f.Help, "|", `\|`))
		}
		if value, ok := results[command.Name]; ok {
			fmt.Fprintf(&doc, "\nFields of the JSON: %s.\n", jsonFields(reflect.TypeOf(value)))
		}
	}
	return doc.String()
}

// jsonFields lists the fields of a struct, those of a list's elements in
// brackets behind it.
func jsonFields(t reflect.Type) string {
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		name = "`" + name + "`"
		if inner := t.Field(i).Type; inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct {
			name += " (of each: " + jsonFields(inner.Elem()) + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func arguments(command *kong.Node) string {
	text := ""
	for _, p := range command.Positional {
		text += " [" + strings.ToUpper(p.Name) + "]"
		if p.Required {
			text = strings.TrimSuffix(text, "["+strings.ToUpper(p.Name)+"]") + strings.ToUpper(p.Name)
		}
	}
	return text
}

// TestDocsDeploy: the flags that docs/deploy.md names are flags of serve.
func TestDocsDeploy(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy.md"))
	require.NoError(t, err)
	parser, err := newParser(new(cli), stdio{strings.NewReader(""), io.Discard, io.Discard})
	require.NoError(t, err)
	known := map[string]bool{}
	serve := slices.IndexFunc(parser.Model.Children, func(command *kong.Node) bool { return command.Name == "serve" })
	for _, f := range parser.Model.Children[serve].Flags {
		known["--"+f.Name] = true
	}
	named := regexp.MustCompile(`--[a-z-]+`).FindAllString(string(data), -1)
	require.NotEmpty(t, named)
	for _, flag := range named {
		require.True(t, known[flag], flag)
	}
}

// TestDocsLinks follows the links between the documents, and to their sections.
func TestDocsLinks(t *testing.T) {
	root := filepath.Join("..", "..")
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	require.NoError(t, err)
	for _, path := range append(documents, filepath.Join(root, "README.md")) {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, part := range strings.Split(string(data), "](")[1:] {
			link, _, _ := strings.Cut(part, ")")
			if strings.Contains(link, "://") {
				continue
			}
			file, section, _ := strings.Cut(link, "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), filepath.FromSlash(file))
			}
			require.FileExists(t, target, path)
			if section != "" {
				require.Contains(t, sections(t, target), section, path)
			}
		}
	}
}

// sections lists the headings of a document as links name them: lower case,
// dashes for spaces, no punctuation.
func sections(t *testing.T, path string) []string {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var names []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(data), -1) {
		name := strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-")
		names = append(names, regexp.MustCompile(`[^\pL\pN_-]`).ReplaceAllString(name, ""))
	}
	return names
}
