package running

import (
	"strings"

	"github.com/gosplice/gosplice/splice"
)

// message is the text of a record of the kernel itself: "priority,sequence,time,flags;text",
// and lines about the device that spoke. The facility is in the priority from bit 3 on.
func message(record string) string {
	head, text, ok := strings.Cut(record, ";")
	priority, _, _ := strings.Cut(head, ",")
	if !ok || len(priority) != 1 {
		return ""
	}
	text, _, _ = strings.Cut(text, "\n")
	if strings.Contains(text, "taint") { // each load says that, of what is from outside or not signed
		return ""
	}
	return text
}

// withLog adds to a refusal what the kernel logged.
func withLog(err error, said []string) error {
	r, ok := err.(*splice.Refusal)
	if ok && len(said) > 0 {
		r.Message += "; the kernel says: " + strings.Join(said, "; ")
	}
	return err
}
