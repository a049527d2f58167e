// Package foresee says what would happen if a livepatch was loaded into the kernel that runs,
// before anything is loaded.
//
//	file, err := running.Open("fix.ko")
//	forecast, err := foresee.Check(ctx, os.DirFS("/"), file, foresee.Options{})
//	fmt.Println(forecast.Outcome)
//
// It only reads: what /proc and /sys show, and the memory of the kernel (/proc/kcore). So it works
// on the files of another machine as well, such as a guest's.
//
// # What it knows
//
// Whether the kernel takes the module: its build, its signature, lockdown, the name, the modules
// that it needs, whether its functions are there; and the bytes of the functions of the kernel
// itself that a module of package module wants to find, with who has changed them. Whether
// livepatch gets hold of the functions: who traces them, probes them, has BPF programs on them,
// or replaces them. And whether the transition ends: which tasks are in the functions now, how
// often in a second, and what would make them leave; and for how long livepatch looks at all of them at once.
//
// What it can't know it says, as a finding with the effect [Unknown]: a file that is not there
// for want of a mount or of a right, a thread that runs all the time.
//
// A forecast is of the moment. A task may enter a function later.
package foresee
