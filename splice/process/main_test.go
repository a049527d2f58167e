//go:build linux && amd64

package process

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// roleVar makes the test binary play another part than running tests.
const roleVar = "GOSPLICE_PROCESS_ROLE"

var roles = map[string]func(args []string) error{}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		f := strings.Fields(role)
		if err := roles[f[0]](f[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	builds.remove()
	os.Exit(code)
}

// helper returns a command that runs this binary in a role.
func helper(role string, args ...any) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+role+" "+strings.TrimSpace(fmt.Sprintln(args...)))
	cmd.Stderr = os.Stderr
	return cmd
}
