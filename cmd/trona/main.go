// Command trona runs and serves Llama-family language models.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "devel"

// Exit codes of the program.
const (
	exitDone   = 0
	exitFailed = 1 // the input or the run
	exitUsage  = 2
)

// cli is the command line. Every flag may also stand in the environment
// (TRONA_MAX_MODEL_LEN) and in the file of --config.
type cli struct {
	Config  kong.ConfigFlag  `help:"Take flags from this JSON file: {\"port\": 8080}." placeholder:"FILE" type:"path"`
	Version kong.VersionFlag `help:"Print the version." env:"-"`

	Serve      serveCommand      `cmd:"" help:"Serve models over HTTP with the APIs of OpenAI and Anthropic."`
	Run        runCommand        `cmd:"" help:"Chat with a model in the terminal, or answer one prompt."`
	Inspect    inspectCommand    `cmd:"" help:"Show the configuration, layers and tensors of a model."`
	Plan       planCommand       `cmd:"" help:"Compute the memory that a model needs, before loading it."`
	Bench      benchCommand      `cmd:"" help:"Measure the speed of a model on this machine."`
	Perplexity perplexityCommand `cmd:"" help:"Measure how well a model predicts a text."`
	Tokenize   tokenizeCommand   `cmd:"" help:"Turn text from stdin into token ids, or back."`
	Render     renderCommand     `cmd:"" help:"Turn a conversation from stdin, {\"messages\": [...]}, into the text of a prompt."`
	Quantize   quantizeCommand   `cmd:"" help:"Write a model as a GGUF file of another type."`
}

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a mistake on the command line that parsing does not find.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

func main() {
	os.Exit(run(os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// run runs one command and returns the exit code.
func run(args []string, std stdio) int {
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	commands := new(cli)
	parser, err := newParser(commands, std)
	if err != nil {
		panic(fmt.Sprintf("trona: the command line: %v", err)) // a mistake in the tags above
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		name, message := "trona", parseMessage(err)
		if command := failedCommand(err); command != nil {
			name += " " + command.Name
			message = cmp.Or(foreignFlag(command, args), message)
		}
		fmt.Fprintf(std.err, "trona: %s (see %s --help)\n", message, name)
		return exitUsage
	}
	for _, name := range unknownVariables(parser.Model, os.Environ()) {
		fmt.Fprintf(std.err, "trona: no flag belongs to the variable %s: it is ignored\n", name)
	}
	if err := ctx.Run(std); err != nil {
		fmt.Fprintf(std.err, "trona: %s\n", oneLine(err))
		if usage := (usageError{}); errors.As(err, &usage) {
			return exitUsage
		}
		return exitFailed
	}
	return exitDone
}

// parseMessage says what is wrong with a command line, where kong's words are those of its
// parser in plainer ones. Any letter is like any other, so that for one that is no flag none is
// suggested.
func parseMessage(err error) string {
	message := oneLine(err)
	if flag, ok := strings.CutPrefix(message, "unknown flag -"); ok && !strings.HasPrefix(flag, "-") {
		message, _, _ = strings.Cut(message, ", did you mean")
	}
	if flag, rest, _ := strings.Cut(message, ": "); strings.HasPrefix(rest, "missing value") || strings.HasSuffix(rest, `"EOL" (<EOL>)`) {
		return flag + " needs a value"
	}
	for _, of := range []struct{ kong, plain string }{
		{`expected a valid 64 bit int but got`, "want a whole number, not"},
		{`expected a float but got (".*") \(string\)`, "want a number, not $1"},
		{`expected duration but got (".*?"): time: .*duration "[^"]*"`, "want a time with its unit, such as 30s, not $1"},
		{`bool value must be .* but got`, "want true or false, not"},
		{` must be one of (?:"",)?(.*) but got`, ": want one of $1, not"},
		{`from envar (\w+)="(.*)"`, "from the variable $1"},
	} {
		message = regexp.MustCompile(of.kong).ReplaceAllString(message, of.plain)
	}
	return message
}

// failedCommand returns the command whose arguments are wrong; nil: there is none.
func failedCommand(err error) *kong.Node {
	if failed := (*kong.ParseError)(nil); errors.As(err, &failed) {
		return failed.Context.Selected()
	}
	return nil
}

func newParser(commands *cli, std stdio) (*kong.Kong, error) {
	return kong.New(commands,
		kong.Name("trona"),
		kong.Description("Runs Llama-family language models. MODEL is a .gguf file (the first of a split set), a folder with\n"+
			"safetensors, or \"demo\": a very small model inside the program, used where MODEL is absent."),
		kong.Vars{"version": version},
		kong.DefaultEnvars("TRONA"),
		kong.Configuration(readConfig),
		kong.Writers(std.out, std.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
}

// oneLine joins the lines of a message.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
