package grammar

// formats are expressions for the formats of JSON Schema (2020-12 validation,
// section 7.3) that have one. Those of other standards are cut down to what
// programs write: no IPv6 zones, no comments in mail addresses.
var formats = map[string]string{
	"date":      formatDate,
	"time":      formatTime,
	"date-time": formatDate + `[Tt]` + formatTime,
	"duration":  `P(\d+W|(\d+Y(\d+M(\d+D)?)?|\d+M(\d+D)?|\d+D)(T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S))?|T(\d+H(\d+M(\d+S)?)?|\d+M(\d+S)?|\d+S))`,
	"uuid":      `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
	"ipv4":      formatIPv4,
	"ipv6":      formatIPv6,
	"hostname":  formatHost,
	"email":     `(` + formatAtom + `{1,64}|(` + formatAtom + `{1,15}\.){1,3}` + formatAtom + `{1,16})@` + formatHost,
	"uri":       formatScheme + formatURIRest,
	"uri-reference": `(` + formatScheme + formatURIRest + `|` +
		`(//` + formatAuthority + `(/` + formatSegment + `)*|/(` + formatSegmentOne + `(/` + formatSegment + `)*)?|` +
		`(` + formatPlain + `|[@])+(/` + formatSegment + `)*)?` + formatQuery + `)`,
	"json-pointer":          `(/([^~/]|~[01])*)*`,
	"relative-json-pointer": `(0|[1-9]\d*)(#|(/([^~/]|~[01])*)*)`,
}

// refusedFormats are those of the standard that have no expression of a sane size.
var refusedFormats = set("idn-email", "idn-hostname", "iri", "iri-reference", "regex", "uri-template")

const (
	formatDate = `(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))|` +
		`(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)`
	formatTime = `([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)`

	formatOctet = `(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`
	formatIPv4  = formatOctet + `(\.` + formatOctet + `){3}`
	formatHex   = `[0-9a-fA-F]{1,4}`
	formatLast  = `(` + formatHex + `:` + formatHex + `|` + formatIPv4 + `)` // RFC 3986, ls32
	formatIPv6  = `((` + formatHex + `:){6}` + formatLast + `|::(` + formatHex + `:){5}` + formatLast +
		`|(` + formatHex + `)?::(` + formatHex + `:){4}` + formatLast +
		`|((` + formatHex + `:){0,1}` + formatHex + `)?::(` + formatHex + `:){3}` + formatLast +
		`|((` + formatHex + `:){0,2}` + formatHex + `)?::(` + formatHex + `:){2}` + formatLast +
		`|((` + formatHex + `:){0,3}` + formatHex + `)?::` + formatHex + `:` + formatLast +
		`|((` + formatHex + `:){0,4}` + formatHex + `)?::` + formatLast +
		`|((` + formatHex + `:){0,5}` + formatHex + `)?::` + formatHex +
		`|((` + formatHex + `:){0,6}` + formatHex + `)?::)`

	formatAtom = `[A-Za-z0-9!#$%&'*+/=?^_{|}~\x60-]`

	// Short enough for the bounds on whole names (RFC 1035, section 2.3.4), and
	// no encoded labels ("xn--..."): most of those mean nothing.
	formatLabel = `([A-Za-z0-9]|[A-Za-z0-9]{2}|[A-Za-z0-9][A-Za-z0-9-][A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]([A-Za-z0-9][A-Za-z0-9-]|-[A-Za-z0-9])[A-Za-z0-9-]{0,56}[A-Za-z0-9]|` +
		`[A-Za-z0-9][A-Za-z0-9-][A-Za-z0-9]?[A-Za-z0-9])`
	formatHost = formatLabel + `(\.` + formatLabel + `){0,3}`

	formatPercent    = `%[0-9a-fA-F]{2}`
	formatPlain      = `([A-Za-z0-9._~!$&'()*+,;=-]|` + formatPercent + `)`
	formatSegment    = `(` + formatPlain + `|[:@])*`
	formatSegmentOne = `(` + formatPlain + `|[:@])+`
	formatScheme     = `[A-Za-z][A-Za-z0-9+.-]*:`
	formatAuthority  = `((` + formatPlain + `|:)*@)?(\[` + formatIPv6 + `\]|` + formatPlain + `*)(:\d*)?`
	formatQuery      = `(\?(` + formatPlain + `|[:@/?])*)?(#(` + formatPlain + `|[:@/?])*)?`
	formatURIRest    = `(//` + formatAuthority + `(/` + formatSegment + `)*|/(` + formatSegmentOne + `(/` + formatSegment + `)*)?|` +
		formatSegmentOne + `(/` + formatSegment + `)*)?` + formatQuery
)
