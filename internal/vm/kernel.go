package vm

// Kernel is a kernel that can be booted. Nothing below the paths is written to.
type Kernel struct {
	// Release is what uname -r prints, such as "6.1.0-50-cloud-amd64".
	Release string
	// Image is the path of the vmlinuz.
	Image string
	// ModuleDir is the path of lib/modules/RELEASE.
	ModuleDir string
}
