package ktree

import (
	"fmt"
	"regexp"
	"strings"
)

// bannerForm is linux_banner (init/version.c): the release, who built it where, with what, and
// the version: a number, what kind of kernel, and the time, instead of which Debian has its
// own version.
var bannerForm = regexp.MustCompile(`^Linux version (\S+) \((\S+?)@(\S+)\) \(.*\) #(\S+) (?:SMP )?(?:PREEMPT\S* )?(\S.*)$`)

// identity returns make's arguments that have a kernel say about itself what the one that
// runs says: its release, and who built it when and with what. Functions have some of this in
// them: a release of another length is another memcmp.
//
// They are given to every make: Makefile takes KERNELRELEASE from its command line before
// what it finds itself.
func identity(s *Spec, config []byte) ([]string, error) {
	m := bannerForm.FindStringSubmatch(strings.TrimSpace(s.Banner))
	if m == nil {
		return nil, fmt.Errorf("%.200q is not what a kernel says about itself: \"Linux version RELEASE (USER@HOST) (COMPILER) #1 SMP TIME\"", s.Banner)
	}
	if s.Release != "" && m[1] != s.Release {
		return nil, fmt.Errorf("the image is of the kernel %s, not of %s", m[1], s.Release)
	}
	args := []string{
		"KERNELRELEASE=" + m[1], "KBUILD_BUILD_USER=" + m[2], "KBUILD_BUILD_HOST=" + m[3], "KBUILD_BUILD_VERSION=" + m[4],
		"KBUILD_BUILD_VERSION_TIMESTAMP=" + m[5], // of Debian
	}
	if !strings.HasPrefix(m[5], "Debian ") {
		args = append(args, "KBUILD_BUILD_TIMESTAMP="+m[5])
	}
	args = append(args, s.Make...)
	if cc := newCompiler(s.CC, config); s.CC != "" || cc.wanted != "" {
		args = append(args, "CC="+cc.command)
		if strings.HasPrefix(cc.program, "clang") && !hasVariable(s.Make, "LLVM") {
			args = append(args, "LLVM="+strings.TrimPrefix(cc.program, "clang"))
		}
	}
	return args, nil
}

func hasVariable(args []string, name string) bool {
	for _, a := range args {
		if strings.HasPrefix(a, name+"=") {
			return true
		}
	}
	return false
}

// releaseOf returns the release of a banner that [identity] takes.
func releaseOf(banner string) string {
	m := bannerForm.FindStringSubmatch(strings.TrimSpace(banner))
	if m == nil {
		return ""
	}
	return m[1]
}
