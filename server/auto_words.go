package server

import (
	"regexp"
	"strings"
	"unicode"
)

// Words that tell what a question is about, in the languages of the Llama
// Nemotron models and some more: English, German, French, Italian, Portuguese,
// Spanish, Hindi, Thai, Chinese, Japanese, Korean, Russian. A word that begins
// like one of the stems counts; of scripts without spaces, any place does.

// stems returns what matches words that begin with one of these.
func stems(list string) string {
	return `(?i)(?:^|[^\p{L}\p{M}])(?:` + strings.Join(strings.Fields(list), "|") + `)`
}

// anywhere returns what matches one of these in any place.
func anywhere(list string) string { return strings.Join(strings.Fields(list), "|") }

// either matches where one of the patterns does.
func either(patterns ...string) *regexp.Regexp {
	return regexp.MustCompile("(?:" + strings.Join(patterns, ")|(?:") + ")")
}

var codeWords = either(stems(`
	python javascript typescript java\b golang kotlin haskell php\b sql\b bash\b html\b css\b regex c\+\+ c# json\b docker numpy pandas
	source\s+code code\s+in\b (?:write|fix|review|explain|debug|refactor)\s+(?:me\s+)?(?:a|an|the|this|my|some)?\s*(?:piece\s+of\s+)?code\b
	algorithm debug refactor compil(?:e|er|ing)\b unit\s+test stack\s*trace program+(?:ming|mer|mier|e\s+informatique) null\s+pointer
	quellcode algorithmus quelltext algorithme código\s+(?:fonte|fuente|em|en) algoritm codice\s+sorgente
	программир код\s+на скрипт алгоритм प्रोग्राम कोड\s+लिख एल्गोरि`),
	anywhere(`代码 程序 编程 算法 コード プログラ アルゴリズム 코드 프로그래 프로그램 알고리즘 โค้ด โปรแกรม อัลกอริทึม`),
	// How programs look.
	`\b(?:def|func|fn|function|class)\s+\w+\s*[({:]`, `(?m)^\s*(?:import|from|package|#include|using)\s+[\w."<]`, `(?i)\bselect\b[^.?!]{1,200}\bfrom\b[^.?!]{1,200}\bwhere\b`,
	`(?m)[;{]\s*$`, `console\.log|std::|System\.out|</\w+>|=>|:=|!==|\w+\(\)`)

func aboutCode(text string) bool { return codeWords.MatchString(text) }

var mathsWords = either(stems(`
	equation theorem integral(?:s|e)?\b derivative probabilit eigenval polynomial logarithm hypotenuse trigonometr algebra geometr calculus prime\s+number
	matri(?:x|ces)\b square\s+root (?:prove|show)\s+that proof\b modulo
	gleichung beweise ableitung wahrscheinlich(?:keit)\b primzahl quadratwurzel dreieck lehrsatz
	équation théorème dérivée démontre intégrale racine\s+carrée nombre\s+premier
	ecuaci teorema derivada demuestra raíz\s+cuadrada número\s+primo equazion derivata dimostra radice\s+quadrata equaç raiz\s+quadrada demonstre
	уравнени теорем докажи интеграл производн вероятност समीकरण प्रमेय प्रायिकता समाकल वर्गमूल सिद्ध\s+कर`),
	anywhere(`方程 定理 积分 積分 导数 微分 概率 確率 证明 証明 矩阵 行列式 平方根 方程式 방정식 정리를 적분 미분 확률 증명 สมการ ทฤษฎีบท ปริพันธ์ อนุพันธ์ ความน่าจะเป็น พิสูจน์`),
	`\\(?:frac|int|sum|sqrt|lim|begin|cdot|infty)`, `[∫∑∏√∞∂∈∀∃≤≥≠≡]`,
	`\d[xyzn]\b`, `(?:^|[^\p{L}])[xyzn]\s*(?:\^|\*\*|[²³=<>+])`, `(?:^|[^\p{L}])[fgh]\([a-z]\)`)

// amount asks for a number; with two numbers given it is a problem to solve.
var (
	amount = either(stems(`how\s+(?:many|much|far|long|old|fast) wie\s*viele? combien cu[áa]nt[oa]s? quant[oiae]s?\b сколько कितन`),
		anywhere(`多少 几个 幾 いくつ いくら 何個 몇 얼마 กี่ เท่าไ`))
	number = regexp.MustCompile(`\d+(?:[.,]\d+)*`)
)

func aboutMaths(text string) bool {
	return mathsWords.MatchString(text) || amount.MatchString(text) && len(number.FindAllStringIndex(text, 2)) == 2 && calculations(text) == 0
}

var reasonWords = either(stems(`
	why\b step\s+by\s+step think\s+(?:carefully|hard|it\s+through) compare analy[sz]e reason\s+about explain\s+how trade-?offs? strateg riddle puzzle logic pros\s+and\s+cons
	warum\b weshalb schritt\s+für\s+schritt vergleich analysiere rätsel begründe
	pourquoi étape\s+par\s+étape compare[rz]?\b énigme
	por\s+qu[ée] paso\s+a\s+paso passo\s+a\s+passo perché confronta analizza analiza compara enigma acertijo
	почему пошагов сравни проанализируй загадк क्यों चरण\s+दर\s+चरण तुलना विश्लेषण पहेली`),
	anywhere(`为什么 為什麼 一步一步 逐步 分析 比较 比較 谜 なぜ どうして 段階的 왜 단계별 비교 분석 ทำไม ทีละขั้น เปรียบเทียบ วิเคราะห์ ปริศนา`))

func wantsReason(text string) bool { return reasonWords.MatchString(text) }

// calculations counts operations between numbers. What may be a date, a range or
// a fraction, a minus or a slash without spaces, does not count.
func calculations(text string) (n int) {
	var before, last rune // the rune before, and the last one that is no space
	var pending rune      // an operator that waits for its second number
	for _, r := range text {
		space := unicode.IsSpace(r)
		switch {
		case strings.ContainsRune("+*×÷^·%", r) && closes(last):
			pending = r
			if r == '%' { // 15 % of 80
				n, pending = n+1, 0
			}
		case strings.ContainsRune("-−/:", r) && closes(last) && unicode.IsSpace(before):
			pending = r
		case pending != 0 && !space:
			if unicode.IsDigit(r) || r == '(' {
				n++
			}
			pending = 0
		}
		if before = r; !space {
			last = r
		}
	}
	return n
}

// closes reports whether an operand may end with r.
func closes(r rune) bool { return unicode.IsDigit(r) || r == ')' }
