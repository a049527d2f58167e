// Package fixes says which fixes of stored updates are live in which processes of a machine, by the
// code that runs and not by versions, in the words of package running/fixes, which says the same of
// a kernel.
//
//	report, err := fixes.Check(ctx, machine.Options{}, fixes.Source{Name: "fix.json", Update: u})
//	err = report.Text(w)
//
// Of each process that maps what an update is for, by build-id, the code of each function that
// the update replaces is compared, see process.Inspect. A fix is
//
//   - fixed, when all of them run the code of the update, which memory has byte by byte.
//   - not fixed, when one runs the code that the update replaces.
//   - undecided, when neither can be seen: another update has replaced a function, memory is damaged,
//     or the process has another build of the program or library, which may have the fix from its
//     source.
//
// A process that maps none of it is not concerned, and not in the report.
package fixes
