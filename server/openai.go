package server

// The shapes of OpenAI's responses, with the extensions of vLLM and llama.cpp
// that the package serves. Requests have no types: decode.go reads them.

const (
	objectChat       = "chat.completion"
	objectChatChunk  = "chat.completion.chunk"
	objectCompletion = "text_completion"
)

// header is what every completion and every chunk begins with.
type header struct {
	ID                string `json:"id"`
	Object            string `json:"object"`
	Created           int64  `json:"created"` // Unix seconds
	Model             string `json:"model"`
	SystemFingerprint string `json:"system_fingerprint"`
}

type chatResponse struct {
	header
	Choices        []chatChoice                   `json:"choices"`
	Usage          usage                          `json:"usage"`
	Timings        timings                        `json:"timings"`
	PromptLogprobs []map[string]promptLogprobItem `json:"prompt_logprobs,omitempty"`
	PromptTokenIDs []int32                        `json:"prompt_token_ids,omitzero"`
}

type chatChoice struct {
	Index        int           `json:"index"`
	Message      chatMessage   `json:"message"`
	Logprobs     *chatLogprobs `json:"logprobs"`
	FinishReason string        `json:"finish_reason"`
	StopReason   any           `json:"stop_reason"` // the stop string, or the id of a stop token
	TokenIDs     []int32       `json:"token_ids,omitzero"`
}

type chatMessage struct {
	Role    string  `json:"role"`
	Content *string `json:"content"` // null beside calls where there is no text
	Refusal *string `json:"refusal"`
	thoughts
	ToolCalls []callPart `json:"tool_calls,omitempty"`
}

// thoughts are the reasoning under the names that clients know.
type thoughts struct {
	ReasoningContent string `json:"reasoning_content,omitempty"`
	Reasoning        string `json:"reasoning,omitempty"` // the same, where the request wants both
}

func (p *params) thoughts(text string) thoughts {
	if p.bothReasoning {
		return thoughts{text, text}
	}
	return thoughts{ReasoningContent: text}
}

// chatMessage returns a whole answer.
func (p *params) chatMessage(whole piece) chatMessage {
	m := chatMessage{Role: "assistant", thoughts: p.thoughts(whole.reasoning)}
	if whole.text != "" || len(whole.calls) == 0 {
		m.Content = &whole.text
	}
	for _, call := range whole.calls {
		part := newCallPart(call)
		part.Index = nil
		m.ToolCalls = append(m.ToolCalls, part)
	}
	return m
}

// callPart is a tool call, or a piece of one in a stream: only the first of a
// call has id, type and name.
type callPart struct {
	Index    *int         `json:"index,omitzero"` // in streams
	ID       string       `json:"id,omitempty"`
	Type     string       `json:"type,omitempty"`
	Function callFunction `json:"function"`
}

type callFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

func newCallPart(call callDelta) callPart {
	part := callPart{Index: &call.index, ID: call.id, Function: callFunction{call.name, call.arguments}}
	if call.name != "" {
		part.Type = "function"
	}
	return part
}

type chatChunk struct {
	header
	Choices []chatChunkChoice `json:"choices"`
	Usage   any               `json:"usage,omitzero"` // *usage; a nil one is null
	Timings *timings          `json:"timings,omitzero"`
	promptParts
}

// promptParts are what a stream tells of its prompt once.
type promptParts struct {
	PromptLogprobs []map[string]promptLogprobItem `json:"prompt_logprobs,omitempty"`
	PromptTokenIDs []int32                        `json:"prompt_token_ids,omitzero"`
}

type chatChunkChoice struct {
	Index        int           `json:"index"`
	Delta        chatDelta     `json:"delta"`
	Logprobs     *chatLogprobs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
	StopReason   any           `json:"stop_reason,omitempty"`
	TokenIDs     []int32       `json:"token_ids,omitzero"`
}

type chatDelta struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitzero"`
	thoughts
	ToolCalls []callPart `json:"tool_calls,omitempty"`
}

type chatLogprobs struct {
	Content []chatLogprob `json:"content"`
	Refusal []chatLogprob `json:"refusal"`
}

type chatLogprob struct {
	logprob
	TopLogprobs []logprob `json:"top_logprobs"`
}

// logprob is one token. A float32 is printed with the fewest digits that give
// it back.
type logprob struct {
	Token   string  `json:"token"`
	Logprob float32 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

type promptLogprobItem struct {
	Logprob      float32 `json:"logprob"`
	Rank         int     `json:"rank"`
	DecodedToken string  `json:"decoded_token"`
}

// completionResponse is a completion, or a chunk of one.
type completionResponse struct {
	header
	Choices []completionChoice `json:"choices"`
	Usage   any                `json:"usage,omitzero"` // *usage; a nil one is null
	Timings *timings           `json:"timings,omitzero"`
}

type completionChoice struct {
	Index          int                            `json:"index"`
	Text           string                         `json:"text"`
	Logprobs       *completionLogprobs            `json:"logprobs"`
	FinishReason   *string                        `json:"finish_reason"`
	StopReason     any                            `json:"stop_reason"`
	TokenIDs       []int32                        `json:"token_ids,omitzero"`
	PromptTokenIDs []int32                        `json:"prompt_token_ids,omitzero"`
	PromptLogprobs []map[string]promptLogprobItem `json:"prompt_logprobs,omitempty"`
}

// completionLogprobs are parallel lists. The first token of an echoed prompt
// has no log probability.
type completionLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []*float32           `json:"token_logprobs"`
	TopLogprobs   []map[string]float32 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"` // characters from the beginning of the text
}

// renderedPrompt is a prompt as the model reads it.
type renderedPrompt struct {
	Prompt string  `json:"prompt"`
	IDs    []int32 `json:"prompt_token_ids"`
}

type usage struct {
	PromptTokens            int               `json:"prompt_tokens"`
	CompletionTokens        int               `json:"completion_tokens"`
	TotalTokens             int               `json:"total_tokens"`
	PromptTokensDetails     promptDetails     `json:"prompt_tokens_details"`
	CompletionTokensDetails completionDetails `json:"completion_tokens_details"`
}

type promptDetails struct {
	CachedTokens int `json:"cached_tokens"`
}

type completionDetails struct {
	ReasoningTokens int `json:"reasoning_tokens"`
}

// timings have llama.cpp's names. With several choices the counts add up and
// the times are those of the slowest.
type timings struct {
	QueueMS            float64 `json:"queue_ms"`
	PromptN            int     `json:"prompt_n"` // computed; those in CacheN were not
	PromptMS           float64 `json:"prompt_ms"`
	PromptPerSecond    float64 `json:"prompt_per_second"`
	PredictedN         int     `json:"predicted_n"`
	PredictedMS        float64 `json:"predicted_ms"`
	PredictedPerSecond float64 `json:"predicted_per_second"`
	CacheN             int     `json:"cache_n"`
	TruncatedN         int     `json:"truncated_n,omitzero"`      // dropped at the beginning of prompts, where the request wants that
	DraftN             int     `json:"draft_n,omitzero"`          // guessed ahead
	DraftNAccepted     *int    `json:"draft_n_accepted,omitzero"` // right among them; nil where nothing was guessed
}

// modelList is OpenAI's list and Anthropic's in one: clients of both ask here.
type modelList struct {
	Object  string      `json:"object"`
	Data    []modelCard `json:"data"`
	FirstID *string     `json:"first_id"`
	LastID  *string     `json:"last_id"`
	HasMore bool        `json:"has_more"`
}

type modelCard struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	OwnedBy     string `json:"owned_by"`
	Root        string `json:"root"`
	MaxModelLen int    `json:"max_model_len"`
	anthropicModel
}
