package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// elsewhere has flags of llama.cpp and vllm, and what stands here for them: a flag, or in words
// why there is none.
var elsewhere = [...]struct {
	here  string
	flags []string
}{
	{"MODEL stands without a flag", []string{"-m", "--model"}},
	{"--served-model-name", []string{"-a", "--alias"}},
	{"--max-model-len", []string{"-c", "--ctx-size"}},
	{"--max-num-seqs", []string{"-np", "--parallel"}},
	{"--kv-cache-memory", []string{"--kv-cache-memory-bytes", "--gpu-memory-utilization"}},
	{"--kv-cache-dtype", []string{"-ctk", "-ctv", "--cache-type-k", "--cache-type-v"}},
	{"--speculative-model", []string{"-md", "--model-draft", "--speculative-config"}},
	{"--chat-template", []string{"--chat-template-file"}},
	{"--device", []string{"-ngl", "--gpu-layers", "--n-gpu-layers"}},
	{"--max-tokens", []string{"-n", "--predict", "--n-predict"}},
	{"--temperature", []string{"--temp"}},
	{"--system", []string{"-sys", "--system-prompt"}},
	{"nothing is downloaded, MODEL is a file or a folder", []string{"-hf", "-hfr", "--hf-repo", "-mu", "--model-url"}},
	{"adapters are not read", []string{"--lora", "--lora-modules", "--enable-lora"}},
	{"a model is not split between devices", []string{"-ts", "--tensor-split", "-tp", "--tensor-parallel-size", "-pp", "--pipeline-parallel-size"}},
	{"nothing is quantised while it loads, trona quantize does it before", []string{"-q", "--quantization"}},
	{"it is not needed", []string{
		"--jinja", "-fa", "--flash-attn", "-cb", "--cont-batching", "--metrics", "--enable-prefix-caching", "--enable-chunked-prefill",
		"--enable-auto-tool-choice", "--tool-call-parser", "--reasoning-parser", "--reasoning-format", "--trust-remote-code",
	}},
}

// foreignFlag says of the first of the arguments that is a flag of another program, and none of
// the command's, what stands here for it; "": there is none.
func foreignFlag(command *kong.Node, args []string) string {
	var known []string
	for _, f := range command.Flags {
		known = append(known, "--"+f.Name)
		if f.Short != 0 {
			known = append(known, "-"+string(f.Short))
		}
	}
	for _, arg := range args {
		flag, _, _ := strings.Cut(arg, "=")
		if flag == "--" {
			break
		}
		if slices.Contains(known, flag) {
			continue
		}
		for _, e := range elsewhere {
			switch {
			case !slices.Contains(e.flags, flag):
			case !strings.HasPrefix(e.here, "--"):
				return "unknown flag " + flag + ": " + e.here
			case slices.Contains(known, e.here):
				return "unknown flag " + flag + ": here it is " + e.here
			}
		}
	}
	return ""
}
