package tokenizer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// unmarshal is json.Unmarshal with errors in the words of the file: the member's path and what is
// wrong there, where the package names types of Go.
func unmarshal(data []byte, to any) error {
	err := json.Unmarshal(data, to)
	wrong := (*json.SemanticError)(nil)
	if !errors.As(err, &wrong) {
		return err
	}
	why := wrong.Err
	if why == nil {
		why = fmt.Errorf("must not be %s", kindName(wrong.JSONKind))
	}
	var at strings.Builder
	for key := range wrong.JSONPointer.Tokens() {
		if _, err := strconv.Atoi(key); err == nil {
			key = "[" + key + "]"
		} else if at.Len() > 0 {
			key = "." + key
		}
		at.WriteString(key)
	}
	if at.Len() == 0 {
		return why
	}
	return fmt.Errorf("%s: %w", at.String(), why)
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a text"
	case '0':
		return "a number"
	}
	return k.String()
}
