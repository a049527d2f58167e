package deb

import (
	"bytes"
	"testing"
)

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	Progress(t.Context(), "nobody sees it")
	ctx := WithProgress(t.Context(), &b)
	Progress(ctx, "fetch %s", Package{"a", "1"})
	if got := b.String(); got != "fetch a=1\n" || !Watched(ctx) || Watched(t.Context()) {
		t.Errorf("%q", got)
	}
}
