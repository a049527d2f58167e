// Package examples holds no code, but six commands, which are thin: what they do is
// in the library.
//
//   - elfdiff shows what differs between two builds of an object.
//   - runpre matches objects against a file, a process or a kernel.
//   - hotpatch patches a process, or all processes that a stored update is for.
//   - mkupdate makes a livepatch module of patches, or of objects.
//   - livectl loads livepatches into the running kernel, sees them through, and takes them back;
//     it verifies those that are loaded, lists which fixes the memory has, and keeps updates for the next boot.
//   - corpus builds real kernel patches, and says what becomes of each.
//
// # Flags
//
// -h prints the usage to standard output, -version the version, and both exit with
// 0. What makes no sense on the command line goes to standard error with the usage,
// and exit status 64. Other statuses: 0 done, 1 an error, 2 refused, or for a person
// to judge, or no match, or not fixed, 3 no change (livectl: not in time). SIGINT and SIGTERM end a command and what it
// has started; a second one ends it at once. What takes long shows how far it is, if
// standard error is a terminal. The same flag means the same everywhere: -run, -o,
// -accept, -in-place, -initials, -probes, -dry-run, -json, -v.
//
// # JSON
//
// With -json, standard output is one document (corpus: one for each stage). Each has
// "schema", the version of its form, which becomes another one when a key goes or
// means something else; keys may be added. Lists are never null where the type below
// says so; enumerations are words.
//
//	elfdiff          report.Diff
//	elfdiff, folders report.Folders
//	runpre           run, matched, conflicts, and of each object what reloc.Result has
//	runpre -audit    of a whole kernel: what audit.Report has
//	hotpatch         process.Report; with -status, pid and a list of these;
//	                 refused, pid and a list of splice.Refusal; apply, revert, status and
//	                 verify: machine.Report; fixes: fixes.Report of splice/process/machine;
//	                 follow: a machine.Followed on each line
//	mkupdate         report.Document of splice/source; of several, and with -collect,
//	                 report.Table; with -clean, source.Use
//	mkupdate, objects objects with their changes and elfdiff.Finding, refusals, and
//	                 module.Module
//	livectl          schema, did, a list of splice.Report, running.Transition or null, error;
//	                 check: foresee.Forecast; verify: verify.Report; fixes: fixes.Report;
//	                 store: list, what changes it: store.Listing; boot, apply: store.Report;
//	                 policy: store.Policy; add: store.Entry; good, allow: names
//	corpus -judge    stage, pairs with elfdiff.Outcome, elfdiff.Finding and reasons,
//	                 and counts of outcomes and codes
package examples
