//go:build linux && amd64

package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/splice"
)

func init() { roles["cycle"] = roleCycle }

// roleCycle applies and reverts an update until it is killed.
func roleCycle(args []string) error {
	pid, _ := strconv.Atoi(args[0])
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	u, err := splice.ReadUpdate(f)
	if err != nil {
		return err
	}
	fmt.Println("up")
	ctx := context.Background()
	for {
		if _, err := Apply(ctx, pid, u, Options{}); err != nil && !errors.Is(err, splice.ErrRefused) {
			return err
		}
		if _, err := Revert(ctx, pid, "", Options{}); err != nil && !errors.Is(err, splice.ErrRefused) {
			return err
		}
	}
}

// saved writes an update to a file.
func saved(t testing.TB, u *splice.Update) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "update.json")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := u.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestKill kills the tool at random instants while it applies and reverts an
// update of three functions that have to agree. The victim has to go on, and to
// be entirely old or entirely new, and what is left has to be removable.
func TestKill(t *testing.T) {
	kills, limit := 300, 35*time.Second
	if testing.Short() {
		kills, limit = 8, 5*time.Second
	}
	b := program(t, configNamed("O2-pie"), "pair")
	v := start(t, b.program, "3")
	v.expect("before", "1:old 0 0")
	u := v.update(b)
	if u.Redirects() != 3 {
		t.Fatalf("%d redirects", u.Redirects())
	}
	file := saved(t, u)
	code, layout := v.code(), v.layout()
	seen := map[State]int{}
	leaks, old, n := 0, 0, 0
	for end := time.Now().Add(limit); n < kills && time.Now().Before(end); n++ {
		killOne(t, v, file)
		line := v.ask(1)
		if line != "old 0 0" && line != "new 0 0" {
			t.Fatalf("kill %d: the victim says %q", n, line)
		}
		if strings.HasPrefix(line, "old") {
			old++
		}
		st, err := Status(context.Background(), v.pid)
		if err != nil {
			t.Fatal(err)
		}
		for i := range st {
			seen[st[i].State]++
		}
		for i := 0; len(st) > 0; i++ {
			if r, err := Revert(context.Background(), v.pid, "", Options{}); err != nil || i > 20 {
				t.Fatalf("kill %d: %+v, %v", n, r, err)
			}
			if st, err = Status(context.Background(), v.pid); err != nil {
				t.Fatal(err)
			}
		}
		v.expect("cleaned up", "1:old 0 0")
		if now := v.layout(); now != layout {
			leaks++
			layout = now
		}
	}
	for at, was := range code {
		if now := v.code()[at]; now != was {
			t.Errorf("code at %#x differs", at)
		}
	}
	t.Logf("%d kills: %d times old, %d new; records found %v; %d mappings without a record left", n, old, n-old, seen, leaks)
	if n < kills/10 {
		t.Errorf("only %d kills", n)
	}
}

// killOne runs the tool and kills it.
func killOne(t *testing.T, v *victim, file string) {
	t.Helper()
	cmd := helper("cycle", v.pid, file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "up\n" {
		t.Fatalf("the tool says %q, %v", line, err)
	}
	time.Sleep(time.Duration(rand.IntN(40_000)) * time.Microsecond)
}
