package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version says on one line which tool this is: the version of the module, the
// revision that it was built from, the toolchain and the platform.
func (t *Tool) version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	revision := ""
	if set["vcs.revision"] != "" {
		revision = ", revision " + set["vcs.revision"]
		if set["vcs.modified"] == "true" {
			revision += " with changes"
		}
	}
	return fmt.Sprintf("%s %s%s, %s %s/%s", t.Name, cmp.Or(info.Main.Version, "(devel)"), revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
