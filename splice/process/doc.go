// Package process applies updates to live processes and reverts them.
//
// # How an update is applied
//
// Everything that takes time is done while the process runs: its modules are
// found, the update is linked, memory within reach is mapped and filled. Then
// all threads are stopped for the moment that matters. In it the run bytes of
// every function that is to be replaced are compared once more with those that
// run-pre matching proved, every stack is checked for frames of these
// functions, and the redirections are written. If a thread stands in the way,
// the process is released and it is tried again later.
//
// A function that has no room for a jump at its entry is redirected by the hotpatch form:
// a jump of two bytes, written at once, leads to the long one, which stands in padding near
// it that belongs to nobody (splice.Redirect.Pads). The padding is written first and taken
// back last, when nothing leads there, and compared in the stop like the function. A thread
// that is about to run the jump in it stands in the way of a revert.
//
// Pointers to functions, in a GOT or in tables, are not rewritten instead: no proof is to be
// had that a process reaches a function by the known ones only.
//
// # If the tool is killed
//
// At every instant the process is either entirely old or entirely new. One
// redirection is one write inside a page, which the kernel does not interrupt.
// Several are staged: each function first gets a jump through a slot, which
// leads to its own displaced first instructions and on into the old body; one
// write then turns all slots, which share a page. Only then do the jumps become
// direct. A revert goes the same way back. What remains after a kill is found
// by [Status] and removed by [Revert]: memory is mapped together with the record that
// says so, and a thread that nobody brings back from that unmaps it again. Where its
// stack or its seccomp filters do not permit that, a mapping without a record, to
// which nothing leads, may remain.
//
// While it stops threads and lets them run on, the tool's thread has a real-time priority,
// where it has the right to that (CAP_SYS_NICE): of many threads each would take its processor
// when it is woken, and the others wait all the longer.
//
// # What the process keeps
//
// One stretch of anonymous memory with three protections, never writable and
// executable at once, nor made executable later: a record of what was done and
// the constants, the code, the data. The record is what Status and Revert go
// by; it is in the process and nowhere else, so that it lives and dies with it.
// Functions keep the addresses they have: a pointer to a replaced function
// still is its old address.
//
// A revert unmaps that memory when nothing points to it any more: no register,
// no aligned word of writable memory, no frame of a thread. Where it can't be
// sure the memory stays, and the report says why; a later Revert looks again.
// The memory of an update that takes the address of a new function stays: a
// signal handler is in the kernel, and what setjmp and atexit store is encoded.
// An update whose code and data hand out no address of their own memory, and that
// calls nothing but the C library, needs no search beyond registers and stacks,
// however much memory the program has. Otherwise more than a MiB is searched while
// the program runs; what it writes meanwhile is searched again, and the last stop
// looks at the little that is left. That takes a kernel that tells what is written (userfaultfd's
// asynchronous write protection and PAGEMAP_SCAN, Linux 6.7). On others up to 64 MiB are
// searched in the stop, and with more the memory stays.
//
// # Seccomp
//
// The threads of the process make the system calls that map and unmap memory. What
// their seccomp filters say to these is found out before; where they forbid them
// they are suspended for the time of the call, and the filter never sees it. Both
// need CAP_SYS_ADMIN on the host, and a tool without seccomp filters. Otherwise,
// or when the filters forbid rt_sigreturn as well, the process is refused
// (CodeSeccomp). Only if the tool is killed in the microseconds in which a thread
// enters the kernel with suspended filters, they are asked after all.
//
// # Exceptions
//
// An exception may come out of new code, pass through it, or be caught in it. The
// program's unwinder asks one function what describes code, _Unwind_Find_FDE of
// libgcc. Its start gets a jump to code of the update, which answers for the new
// code and else goes on as before. That takes no lock and no call into the program,
// is one write in the stop that commits, and is taken back in the stop that unmaps
// the memory: while memory stays, so does the jump. Several updates form a chain,
// out of which each can be taken.
//
// It is done where an exception may pass: for functions that handle exceptions, and
// functions that call what may throw, in a program where somebody above may handle
// it. What calls nothing, or nothing but the C library, is not concerned, nor is a
// program in C, but for pthread_cancel where it was compiled with -fexceptions and
// has cleanups. Every unwinder in the process has to be found: libgcc_s, and copies
// that were linked into programs and libraries, by their symbols. LLVM's unwinder,
// which looks at loaded files only, and copies without symbols are refused before
// anything is touched (splice.CodeUnwinding). Options.NoExceptions says that nothing
// throws there. In programs that were linked statically, cancelling a thread is not
// noticed where nothing catches: it leaves out the cleanups above new code.
// An unwinder that the program loads later (dlopen) knows nothing of the new code.
//
// Debuggers know nothing of the new code: their backtraces have no names there.
//
// # Limits
//
// Where a stack can't be unwound by tables, as in musl's functions, it is by the
// code, if symbols tell where functions are; otherwise it is scanned, and a stale
// word may look like a return address. Only the stacks of threads are checked. Execution states that a program
// keeps elsewhere (makecontext, coroutines, a longjmp to a frame of a replaced
// function) are not seen.
//
// A library that an update calls into must not be unmapped (dlclose) while the
// update is applied. One that is patched may be: a revert removes what is left then. A
// process in whose memory another one runs (clone with CLONE_VM, a child of vfork) is
// refused as long as it does, as far as kcmp(2) tells. Pointers to the memory of an update that are not aligned,
// are in vector registers, or in memory that can't be written any more, are not
// seen by a revert. Children that were forked before are processes of their
// own. A jump that would cross a page is refused, since it could be written in
// halves. All functions of an update have to be within 2 GiB of one place, or
// large enough for a jump of 14 bytes: make one update for the program and one
// for each library. 64-bit programs on Linux x86-64 only.
//
// # Bounds
//
// What a process says about itself is read with the context of the call: records
// of updates have 64 MiB together at most, one has 16, and they are looked for in
// 16 GiB of private, anonymous, read-only memory at most, page by page. A process
// that has more is refused with splice.CodeDamaged. Time is linear in these, and
// memory is at most 64 MB and eight times what is read. Between the moment at which
// a process is looked at and that at which it is stopped it may end, and another
// one get its ID: the start time tells, and the other is refused with [CodeGone].
//
// # Trust
//
// Whoever may trace a process may already do everything to it; the package
// needs that right and no other. It trusts the kernel. It does not trust what
// the process says: files, memory and a record in it may be hostile, and at
// worst damage that process.
package process
