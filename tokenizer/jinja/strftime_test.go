package jinja

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Answers of datetime.strftime in Python 3.11 with the GNU C library.
func TestStrftime(t *testing.T) {
	formats := "%a|%A|%b|%B|%h|%c|%C|%d|%D|%e|%f|%F|%g|%G|%H|%I|%j|%k|%l|%m|%M|%n|%p|%P|%r|%R|%S|%t|%T|%u|%U|%V|%w|%W|%x|%X|%y|%Y|%z|%Z|" +
		"%%|%-d|%-m|%-I|%_d|%^a|%^B|%-j|%_H|%-e|%0e|%d %B %Y|%Q|%|abc|%d%|%é|%-|%-%"
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2024, 7, 6, 15, 4, 5, 678901000, time.UTC), "Sat|Saturday|Jul|July|Jul|Sat Jul  6 15:04:05 2024|20|06|07/06/24| 6|678901|2024-07-06|24|2024|15|03|188|15| 3|07|04|\n|PM|pm|03:04:05 PM|15:04|05|\t|15:04:05|6|26|27|6|27|07/06/24|15:04:05|24|2024|||%|6|7|3| 6|SAT|JULY|188|15|6|06|06 July 2024|%Q|%|abc|06%|%é|%-|%"},
		{time.Date(2021, 1, 3, 0, 0, 9, 0, time.UTC), "Sun|Sunday|Jan|January|Jan|Sun Jan  3 00:00:09 2021|20|03|01/03/21| 3|000000|2021-01-03|20|2020|00|12|003| 0|12|01|00|\n|AM|am|12:00:09 AM|00:00|09|\t|00:00:09|7|01|53|0|00|01/03/21|00:00:09|21|2021|||%|3|1|12| 3|SUN|JANUARY|3| 0|3|03|03 January 2021|%Q|%|abc|03%|%é|%-|%"},
		{time.Date(1999, 12, 31, 12, 59, 59, 0, time.UTC), "Fri|Friday|Dec|December|Dec|Fri Dec 31 12:59:59 1999|19|31|12/31/99|31|000000|1999-12-31|99|1999|12|12|365|12|12|12|59|\n|PM|pm|12:59:59 PM|12:59|59|\t|12:59:59|5|52|52|5|52|12/31/99|12:59:59|99|1999|||%|31|12|12|31|FRI|DECEMBER|365|12|31|31|31 December 1999|%Q|%|abc|31%|%é|%-|%"},
		{time.Date(2026, 1, 1, 23, 5, 0, 0, time.UTC), "Thu|Thursday|Jan|January|Jan|Thu Jan  1 23:05:00 2026|20|01|01/01/26| 1|000000|2026-01-01|26|2026|23|11|001|23|11|01|05|\n|PM|pm|11:05:00 PM|23:05|00|\t|23:05:00|4|00|01|4|00|01/01/26|23:05:00|26|2026|||%|1|1|11| 1|THU|JANUARY|1|23|1|01|01 January 2026|%Q|%|abc|01%|%é|%-|%"},
	} {
		want := strings.Split(c.want, "|")
		for i, format := range strings.Split(formats, "|") {
			require.Equal(t, want[i], strftime(c.at, format), "%v %q", c.at, format)
		}
	}
}
