package api

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestPlatforms: programs that use the library build wherever Go does, also where what
// they ask of it is refused.
func TestPlatforms(t *testing.T) {
	if !testenv.Asked(testenv.More) {
		t.Skip("it takes some seconds: " + testenv.Env + "=more asks for it")
	}
	for _, platform := range []string{"windows/amd64", "darwin/arm64", "linux/arm64"} {
		t.Run(platform, func(t *testing.T) {
			t.Parallel()
			if err := Check(platform); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNoPlatform(t *testing.T) {
	for _, platform := range []string{"", "linux", "linux/mips128"} {
		if err := Check(platform); err == nil || !strings.Contains(err.Error(), platform) {
			t.Errorf("%q: %v", platform, err)
		}
	}
}
