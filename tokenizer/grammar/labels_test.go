package grammar

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// encodeLabel is the other direction of decodeLabel (RFC 3492, section 6.3), as
// its oracle.
func encodeLabel(label []rune) string {
	var out strings.Builder
	for _, r := range label {
		if r < labelInitial {
			out.WriteRune(r)
		}
	}
	done := out.Len()
	basic := done
	if basic > 0 {
		out.WriteByte('-')
	}
	at, delta, bias := rune(labelInitial), 0, labelBias
	for done < len(label) {
		next := rune(1 << 30)
		for _, r := range label {
			if r >= at {
				next = min(next, r)
			}
		}
		delta += int(next-at) * (done + 1)
		at = next
		for _, r := range label {
			if r < at {
				delta++
			}
			if r != at {
				continue
			}
			rest := delta
			for k := labelBase; ; k += labelBase {
				threshold := min(max(k-bias, labelMin), labelMax)
				if rest < threshold {
					out.WriteByte("abcdefghijklmnopqrstuvwxyz0123456789"[rest])
					break
				}
				rest -= threshold
				span := labelBase - threshold
				out.WriteByte("abcdefghijklmnopqrstuvwxyz0123456789"[threshold+rest%span])
				rest /= span
			}
			bias = adaptBias(delta, done+1, done == basic)
			delta = 0
			done++
		}
		delta++
		at++
	}
	return out.String()
}

func TestDecodeLabel(t *testing.T) {
	for encoded, want := range map[string]string{
		"egbpdaj6bu4bxfgehfvwxn":       "ليهمابتكلموشعربي؟", // RFC 3492, section 7.1
		"4dbcagdahymbxekheh6e0a7fei0b": "למההםפשוטלאמדבריםעברית",
		"ihqwcrb4cv8a8dqg056pqjye":     "他们为什么不说中文",
		"bcher-kva":                    "bücher",
		"p1ai":                         "рф",
		"fa-hia":                       "faß",
	} {
		got, ok := decodeLabel(encoded)
		require.True(t, ok, encoded)
		require.Equal(t, want, string(got))
		require.Equal(t, encoded, encodeLabel(got))
	}
	for _, encoded := range []string{"", "-", "a-", "-a", "z", "9", "bcher-", "99999999", "bcher-kv", strings.Repeat("9", 55) + "a"} {
		_, ok := decodeLabel(encoded)
		require.False(t, ok, encoded)
	}
}

func TestValidLabel(t *testing.T) {
	for _, label := range []string{"bücher", "рф", "中国", "امارات", "ελλάδας", "한국", "ไทย", "straße", "a1-ü", "l·lü", "α͵β", "א׳", "ア・イ", "ب٣", "ب\u200cب", "क्\u200dष", "ب1ب", "ب۱"} {
		require.True(t, validLabel(encodeLabel([]rune(label))), "%q", label)
	}
	for _, label := range []string{
		"Ü", "☃", "ab--ü", "ü-", "-ü", "\u0301a", "u\u0308", "a·ü", "͵ü", "a׳", "・ü", "ب١۱", "a\u200cü", "a\u200dü", "aب", "1ب", "ب1١", "ب-", "ـب", "ﬁü", "\u1100", "\u3164", "\ufe0fü", "\U0001d165ü", "\ue000", "\u00ad",
	} {
		require.False(t, validLabel(encodeLabel([]rune(label))), "%q", label)
	}
}

// FuzzDecodeLabel holds the decoder against its reverse.
func FuzzDecodeLabel(f *testing.F) {
	for _, encoded := range []string{"bcher-kva", "p1ai", "une", "a-b-9z", "-", "99"} {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		encoded = strings.Map(func(r rune) rune {
			if r == '-' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, encoded)
		if len(encoded) > 59 {
			return
		}
		if label, ok := decodeLabel(encoded); ok {
			require.Equal(t, encoded, encodeLabel(label))
		}
		validLabel(encoded)
	})
}

// hosts are names, and whether they are right.
var hosts = map[string]bool{
	"xn--bcher-kva.example": true, "www.xn--fiqs8s": true, "xn--p1ai.xn--p1ai": true, "xn--p1ai": true, "a--b": true, "3--a": true,
	strings.Repeat("a", 63) + ".de": true, strings.Repeat("a", 64) + ".de": false,
	strings.Repeat(strings.Repeat("a", 62)+".", 4) + "b": true, strings.Repeat(strings.Repeat("a", 62)+".", 4) + "bc": false,
	"xn--a": false, "xn--": false, "xn--bcher-kv.example": false, "xn--p1ai.": false, "xn--p1ai-": false, "ab--c": false, "XN--P1AI": false,
	"xn--" + strings.Repeat("a", 55) + "-une": true, "xn--" + strings.Repeat("b", 55) + "-une.de": true, "xn--" + strings.Repeat("a", 55) + "-unf": false,
}

func TestHosts(t *testing.T) {
	c := newTestCompiler(t)
	host, err := c.JSONSchema([]byte(`{"type":"string","format":"hostname"}`), SchemaOptions{})
	require.NoError(t, err)
	mail, err := c.JSONSchema([]byte(`{"properties":{"a":{"type":"string","format":"email"}},"required":["a"]}`), SchemaOptions{})
	require.NoError(t, err)
	listed, err := c.JSONSchema([]byte(`{"format":"hostname","enum":["xn--p1ai","xn--a","a"]}`), SchemaOptions{})
	require.NoError(t, err)
	for name, right := range hosts {
		require.Equal(t, right, accepts(host, quote(name)), name)
		require.Equal(t, right && len(name) < 250, accepts(mail, `{"a":"me@`+name+`"}`), name)
	}
	require.True(t, accepts(listed, `"xn--p1ai"`) && accepts(listed, `"a"`))
	require.False(t, accepts(listed, `"xn--a"`))
	for text, right := range map[string]bool{
		`"\"a b..c@d\"@e.f"`: true, `"\"\"@e"`: true, `"a@[192.0.2.1]"`: true, `"a@[IPv6:2001:db8::1]"`: true, `"xn--a.b@c"`: true,
		`"a@[192.0.2]"`: false, `"a@[IPv6:1:2:3:4:5:6:7::]"`: false, `"a@[2001:db8::1]"`: false, `"\"a\"b@c"`: false, `"a..b@c"`: false,
		`"` + strings.Repeat("a", 64) + `@b"`: true, `"` + strings.Repeat("a", 65) + `@b"`: false, `"` + strings.Repeat("a.", 32) + `a@b"`: false,
	} {
		require.Equal(t, right, accepts(mail, `{"a":`+text+`}`), text)
	}
}

// pairVocabulary has all bytes, all pairs of letters, and some long tokens: so
// many stay inside that masks are shared (twin.go).
func pairVocabulary() *Vocabulary {
	var tokens [][]byte
	for b := range 256 {
		tokens = append(tokens, []byte{byte(b)})
	}
	for a := 'a'; a <= 'z'; a++ {
		for b := 'a'; b <= 'z'; b++ {
			tokens = append(tokens, []byte{byte(a), byte(b)})
		}
	}
	for n := 20; n <= 60; n += 4 {
		tokens = append(tokens, bytes.Repeat([]byte("a"), n), bytes.Repeat([]byte("-"), n), []byte(strings.Repeat("a", n)+`"`), []byte(strings.Repeat("b", n)+".c"), []byte(strings.Repeat("b.", n/2)))
	}
	end := int32(len(tokens))
	return NewVocabulary(len(tokens)+1, func(id int32) []byte {
		if id == end {
			return nil
		}
		return tokens[id]
	}, []int32{end})
}

// A mask is right in each place of a long name, whatever masks were made before.
func TestLongNames(t *testing.T) {
	c, err := NewCompiler(pairVocabulary(), DefaultLimits(), 64<<20)
	require.NoError(t, err)
	mask := make([]uint32, c.Vocabulary().Words())
	for _, schema := range []string{
		`{"type":"string","format":"hostname"}`, `{"type":"string","format":"email"}`, `{"type":"string","pattern":"^[a-z]{0,50}(-[a-z]{3,30})?$"}`,
		`{"type":"string","format":"hostname","maxLength":70}`,
	} {
		g, err := c.JSONSchema([]byte(schema), SchemaOptions{})
		require.NoError(t, err)
		m := g.NewMatcher()
		require.True(t, m.AcceptBytes([]byte(`"`)))
		for n := 0; ; n++ {
			m.Mask(mask)
			checkMask(t, m, mask, fmt.Sprintf("%s after %d", schema, n))
			if !m.AcceptBytes([]byte("a")) {
				require.GreaterOrEqual(t, n, 50)
				break
			}
		}
	}
}

// Within and around labels a mask has exactly the tokens that can be read, and
// there is always one.
func TestLabelMask(t *testing.T) {
	c := newTestCompiler(t)
	mask := make([]uint32, c.Vocabulary().Words())
	for schema, begin := range map[string]string{
		`{"type":"string","format":"hostname"}`:                          `"`,
		`{"type":"array","items":{"type":"string","format":"hostname"}}`: `["`,
		`{"type":"string","format":"email","maxLength":80}`:              `"a@`,
		`{"type":"string","format":"hostname","maxLength":12}`:           `"`,
		`{"type":"string","format":"hostname","pattern":"^.{3,20}$"}`:    `"`,
	} {
		g, err := c.JSONSchema([]byte(schema), SchemaOptions{})
		require.NoError(t, err)
		m := g.NewMatcher()
		require.True(t, m.AcceptBytes([]byte(begin)))
		for _, b := range "xn--bcher-kva.xn--a1" + strings.Repeat("b-", 26) + "b-une." {
			m.Mask(mask)
			checkMask(t, m, mask, schema)
			if !m.AcceptBytes([]byte(string(b))) {
				break
			}
		}
	}
}
