// Package machine applies a stored update to all processes of a machine that it is for, and
// says of each what became of it.
//
//	u, err := splice.ReadUpdate(file)
//	report, err := machine.Apply(ctx, u, machine.Options{})
//	err = report.Text(w)
//
// # Who is found
//
// A process is found by the build-id of what it maps, which is read from its memory. So it does
// not matter in which mount or PID namespace it is, nor whether the file was deleted, or
// replaced by an upgrade, since it was started. A process that maps another build of the same
// program or library is said to ([OtherCopy]): the update is not for it. Builds of one library
// are told by their file names, up to the first number behind ".so".
//
// [Selection] narrows that to processes, units of systemd, and containers, by their cgroups.
// Who runs the old code and was not selected is in the report too ([LeftOut]).
//
// # Nobody is missed
//
// Processes are treated in parallel, each as package process does it. Then all are looked at
// again, until two scans one after the other find nobody who runs the old code and was not
// treated. A scan lists every process that is there from its begin to its end. A child has the
// code that its parent had when it was forked: who was forked before the parent was treated is
// there when the next scan begins, and who was forked later has the new code. A program that is
// executed maps the file anew, with the old code: it is found if it does so before the last
// scan passes it. What is started later is for [Follow], unless the file was upgraded.
//
// # Who may still run the old code
//
// Those with the outcomes [Refused], [Failed], [OtherCopy] and [LeftOut], and nobody else that
// could be looked at (Report.Unseen counts the others). A thread that stands in the old code, or
// that does not stop since it waits uninterruptibly in the kernel, has the whole process
// refused (splice.CodeBusy) after the attempts that Options.Process has. A process in whose
// memory another one runs, as children of vfork do until they execute something, is tried again
// and then refused ([CodeSharedMemory]): the other one's threads are not stopped with it.
//
// # If the tool is killed
//
// Each process is entirely old or entirely new, see package process. What was begun in some is
// taken back by the next Apply or [Revert], which treats all that are left.
//
// A process that [Follow] holds when it is executed is attached to before it passes, and let
// go by the kernel when the tool ends, however it does.
//
// # Limits
//
// Of several updates for one process, Follow applies the first before the program's code runs, and the
// others right after it began. Programs that are linked statically, or to musl, are patched after
// they have begun, and so are libraries that a program loads itself (dlopen). A security module may
// not let a program change its domain when it is executed under a tracer.
package machine
