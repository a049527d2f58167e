package child

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestLog has a shell read what was written.
func TestLog(t *testing.T) {
	testenv.Need(t, "sh")
	dir := t.TempDir() + "/a b"
	words := []string{"printf", "%s|", "", "it's", "$HOME `x` \"y\"", "a\nb", "plain-1.2:/=@_+,"}
	var b strings.Builder
	Log(&b, dir, words...)
	Log(nil, dir, words...)
	out, err := exec.Command("sh", "-c", "mkdir '"+dir+"' && "+b.String()+"pwd").CombinedOutput()
	if want := strings.Join(words[2:], "|") + "|" + dir + "\n"; err != nil || string(out) != want {
		t.Errorf("%v, %q, want %q", err, out, want)
	}
}

// TestQuote has a shell read arguments as they were.
func TestQuote(t *testing.T) {
	args := []string{"", "a b", "it's", `"$HOME" \ ; & | * ?`, "plain-1.2_x,y:z=%+@/", "\n\t", "~x", "é", "#x", "[a]", "a!b"}
	if got := Quote("mkupdate", "-out", "/x y"); got != "mkupdate -out '/x y'" {
		t.Errorf("%s", got)
	}
	testenv.Need(t, "sh")
	for _, a := range args {
		out, err := exec.Command("sh", "-c", "printf %s "+Quote(a)).Output()
		if err != nil || string(out) != a {
			t.Errorf("%q became %q: %v", a, out, err)
		}
	}
	out, err := exec.Command("sh", "-c", "printf '%s|' "+Quote(args...)).Output()
	if err != nil || string(out) != strings.Join(args, "|")+"|" {
		t.Errorf("%q, %v", out, err)
	}
}
