package elfdiff_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestFixtures builds the checked-in objects again: they are what their
// sources and the documented compiler give.
func TestFixtures(t *testing.T) {
	t.Run("objects", func(t *testing.T) { testFixtures(t, "testdata/objects", "g++") })
	t.Run("types", func(t *testing.T) { testFixtures(t, "testdata/types", "clang-14") })
}

func testFixtures(t *testing.T, folder string, tools ...string) {
	testenv.Need(t, append(tools, "gcc")...)
	version, err := exec.Command("gcc", "-dumpfullversion").Output()
	if err != nil || strings.TrimSpace(string(version)) != "12.2.0" {
		testenv.Skip(t, "needs gcc 12.2.0, not %s (%v)", bytes.TrimSpace(version), err)
	}
	dir := t.TempDir()
	if out, err := exec.Command(folder+"/build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	built, err := filepath.Glob(filepath.Join(dir, "*.o"))
	if err != nil || len(built) == 0 {
		t.Fatalf("nothing was built: %v", err)
	}
	for _, path := range built {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(folder, filepath.Base(path)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what its source gives (%v); run %s/build.sh", filepath.Base(path), err, folder)
		}
	}
}
