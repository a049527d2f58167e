package gosplice_test

import (
	"errors"
	"fmt"
	"go/constant"
	"go/types"
	"regexp"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/finding"
)

// sharedWords are codes that two packages have under one word. A comparison finds the one
// and a target the other, about the same thing.
var sharedWords = []string{"shared-address", "alignment", "in-place", "initials"}

// TestCodes goes over the codes of all public packages: each is a word of its own, and a
// refusal of it is itself and refused, whatever wraps it.
func TestCodes(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	homes := map[string][]string{}
	for _, p := range load(t) {
		for _, name := range p.Types.Scope().Names() {
			c, ok := p.Types.Scope().Lookup(name).(*types.Const)
			if !ok || !c.Exported() || types.Unalias(c.Type()).String() != "github.com/gosplice/gosplice/elfdiff/finding.Code" {
				continue
			}
			code := constant.StringVal(c.Val())
			if !word.MatchString(code) {
				t.Errorf("%s.%s is %q", p.Path, name, code)
			}
			if !slices.Contains(homes[code], name) {
				homes[code] = append(homes[code], name)
			}
			err := fmt.Errorf("build: %w", finding.Refuse(finding.Code(code), "f", "", 0, "why"))
			if !errors.Is(err, finding.ErrRefused) || !errors.Is(err, finding.Code(code)) || errors.Is(err, finding.Code("no-code-at-all")) {
				t.Errorf("%v", err)
			}
		}
	}
	for code, names := range homes {
		if len(names) > 1 && !slices.Contains(sharedWords, code) {
			t.Errorf("%v are all %q", names, code)
		}
	}
	if len(homes) < 120 {
		t.Errorf("%d codes", len(homes))
	}
}
