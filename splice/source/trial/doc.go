// Package trial tries an update in a guest: it boots the kernel that the update is for in
// QEMU, loads the update, and takes it back.
//
//	r, err := trial.Run(ctx, trial.Options{
//		Boot: "/boot/vmlinuz-6.1.0-50-cloud-amd64", Modules: "/lib/modules/6.1.0-50-cloud-amd64",
//		Update: m, Exercise: "test.sh",
//	})
//
// The guest has the kernel, its modules, and no file system on a disk. [Run] loads the modules
// that the update changes, the update, and waits until all tasks have gone over. Then it
// looks at the guest's memory: each function has to lead to code of the update. It disables
// the update and removes it, sees that the functions are as they were, and reads the kernel's
// log for anything that a healthy kernel does not say. A script or a program of the caller
// runs before, while the update is in place, and after it. All of it is in the [Report].
//
// To boot takes longer than to try: [Boot] gives a [Session], in which [Session.Try] tries one
// update after the other. A [Bench] boots it when it is needed, and a new one after an update
// that left something behind in it.
//
// QEMU emulates the processor, so that no KVM is needed, and no root, and so that a guest
// behaves alike on every machine. What is missing on the machine is a [MissingError].
package trial
