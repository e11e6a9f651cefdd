package grammar

import (
	"fmt"
	"strings"
	"sync"
)

// format is a format of JSON Schema (2020-12 validation, section 7.3).
type format struct {
	text string // an expression for all of it
	also string // another one that holds too; "": none
	most int    // characters; 0: any number
}

// formats are those that have an expression. Of what programs do not write some
// is left out: zones of IPv6, comments in mail addresses, leap seconds at
// offsets that are no quarters of an hour (no zone has had any since there are
// leap seconds).
var formats = map[string]format{
	"date":      {text: formatDate},
	"time":      {text: `(` + formatTime + `|` + leapSeconds(false) + `|` + leapSeconds(true) + `)`},
	"date-time": {text: `(` + formatDate + `[Tt]` + formatTime + `|\d{4}-(06-30|12-31)[Tt]` + leapSeconds(false) + `|\d{4}-(07-01|01-01)[Tt]` + leapSeconds(true) + `)`},
	"duration":  {text: `P(\d+W|(\d+Y(\d+M(\d+D)?)?|\d+M(\d+D)?|\d+D)(T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S))?|T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S))`},
	"uuid":      {text: `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`},
	"ipv4":      {text: formatIPv4},
	"ipv6":      {text: formatIPv6(7)},
	"hostname":  {text: formatHost, most: 253},
	"email":     {text: `(` + formatAtom + `+(\.` + formatAtom + `+)*|` + formatQuoted + `)@(` + formatHost + `|\[` + formatIPv4 + `\]|\[IPv6:` + formatIPv6(6) + `\])`, also: `([!#-?A-~][!-?A-~]{0,63}|"[ !#-~]{0,62}")@[ -?A-~]*`, most: 254},
	"uri":       {text: formatScheme + formatURIRest},
	"uri-reference": {text: `(` + formatScheme + formatURIRest + `|` +
		`(//` + formatAuthority + `(/` + formatSegment + `)*|/(` + formatSegmentOne + `(/` + formatSegment + `)*)?|` +
		`(` + formatPlain + `|[@])+(/` + formatSegment + `)*)?` + formatQuery + `)`},
	"json-pointer":          {text: `(/([^~/]|~[01])*)*`},
	"relative-json-pointer": {text: `(0|[1-9]\d*)(#|(/([^~/]|~[01])*)*)`},
}

// refusedFormats are those of the standard that have no expression of a sane size.
var refusedFormats = set("idn-email", "idn-hostname", "iri", "iri-reference", "regex", "uri-template")

const (
	formatDate = `(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))|` +
		`(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)`
	formatTime = `([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)`

	formatOctet = `(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`
	formatIPv4  = formatOctet + `(\.` + formatOctet + `){3}`

	formatAtom   = `[A-Za-z0-9!#$%&'*+/=?^_{|}~\x60-]`
	formatQuoted = `"[ !#-\[\]-~]*"` // RFC 5321, section 4.1.2, without escapes

	// A label (RFC 1123, section 2.1; RFC 5890, section 2.3.1) has hyphens in its
	// third and fourth place only where it is encoded.
	formatAlnum = `[A-Za-z0-9]`
	formatInner = `[A-Za-z0-9-]`
	formatLabel = formatAlnum + `(` + formatInner + `{0,2}` + formatAlnum + `|` + formatInner + `(` + formatAlnum + formatInner + `|-` + formatAlnum + `)` + formatInner + `{0,58}` + formatAlnum + `)?`
	// An encoded label, for 55 characters of which there is always an end: the
	// letter ß, encoded after them. See labels.go.
	formatLower   = `[a-z0-9]`
	formatMiddle  = `[a-z0-9-]`
	formatEncoded = `xn--(?P<label>` + formatLower + `(` + formatMiddle + `(` + formatLower + `|(` + formatLower + formatMiddle + `|-` + formatLower + `)` +
		`(` + formatMiddle + `{0,51}|` + formatMiddle + `{51}(?P<sure>-une)))?)?)`
	formatHost = `(` + formatLabel + `|` + formatEncoded + `)(\.(` + formatLabel + `|` + formatEncoded + `))*`

	formatPercent    = `%[0-9a-fA-F]{2}`
	formatPlain      = `([A-Za-z0-9._~!$&'()*+,;=-]|` + formatPercent + `)`
	formatSegment    = `(` + formatPlain + `|[:@])*`
	formatSegmentOne = `(` + formatPlain + `|[:@])+`
	formatScheme     = `[A-Za-z][A-Za-z0-9+.-]*:`
	formatQuery      = `(\?(` + formatPlain + `|[:@/?])*)?(#(` + formatPlain + `|[:@/?])*)?`
)

var (
	formatAuthority = `((` + formatPlain + `|:)*@)?(\[` + formatIPv6(7) + `\]|` + formatPlain + `*)(:\d*)?`
	formatURIRest   = `(//` + formatAuthority + `(/` + formatSegment + `)*|/(` + formatSegmentOne + `(/` + formatSegment + `)*)?|` +
		formatSegmentOne + `(/` + formatSegment + `)*)?` + formatQuery
)

// formatIPv6 returns an expression for addresses that have at most so many
// groups beside "::": 7 after RFC 3986, section 3.2.2, 6 in a mail address (RFC
// 5321, section 4.1.3).
func formatIPv6(most int) string {
	const group = `[0-9a-fA-F]{1,4}`
	const last = `(` + group + `:` + group + `|` + formatIPv4 + `)`
	list := []string{`(` + group + `:){6}` + last}
	for after := range most + 1 {
		head, tail := "", ""
		if before := most - after; before > 0 {
			head = fmt.Sprintf(`((%s:){0,%d}%s)?`, group, before-1, group)
		}
		if after == 1 {
			tail = group
		} else if after > 1 {
			tail = fmt.Sprintf(`(%s:){%d}%s`, group, after-2, last)
		}
		list = append(list, head+"::"+tail)
	}
	return `(` + strings.Join(list, "|") + `)`
}

// leapSeconds returns an expression for the local times of 23:59:60 UTC (RFC
// 3339, section 5.7): those of the same day, or of the next one.
func leapSeconds(next bool) string {
	const day = 24 * 60
	list := []string{`23:59:60(\.\d+)?([Zz]|[+-]00:00)`}
	sign := "-"
	if next {
		list, sign = nil, "+"
	}
	for offset := 15; offset < day; offset += 15 {
		local := day - 1 - offset
		if next {
			local = offset - 1
		}
		list = append(list, fmt.Sprintf(`%02d:%02d:60(\.\d+)?[%s]%02d:%02d`, local/60, local%60, sign, offset/60, offset%60))
	}
	return `(` + strings.Join(list, "|") + `)`
}

// formatSet keeps the automata of the formats that were asked for.
type formatSet struct {
	mu    sync.Mutex
	known map[string]*dfa
}

// dfa recognises JSON strings of a format, whatever their length.
func (s *formatSet) dfa(name string) (*dfa, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.known[name]; ok {
		return d, nil
	}
	budget := newBudget(DefaultLimits())
	d, err := expressionDFA(formats[name].text, true, budget)
	if also := formats[name].also; err == nil && also != "" {
		var other *dfa
		if other, err = expressionDFA(also, true, budget); err == nil {
			d, err = intersect(d, other, budget)
		}
	}
	if err != nil {
		return nil, err
	}
	s.known[name] = d
	return d, nil
}
