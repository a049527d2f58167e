// Package store keeps updates on the disk of a machine, with signatures and a policy, and loads
// those that are for the running kernel when the machine starts. Nothing else needs it: updates
// that are loaded without it work alike.
//
//	s, err := store.Create(store.Default)
//	entry, err := s.Add(ctx, file, signature)
//	m, err := store.MachineOf("/")
//	report, err := s.Boot(ctx, &running.Kernel{}, m, store.Options{})
//	names, err := s.Good(ctx, m)
//
// # The folder
//
//	policy.json   which keys are accepted, and how updates go together (see [Policy])
//	index.json    the updates, in the order in which they are loaded (see [Entry])
//	guard.json    what was being loaded in a boot that has not proved good, and what is left out
//	updates/      the files: DIGEST.ko, and DIGEST.p7s with a signature that stands beside
//	lock          who changes something has a lock on it (flock(2))
//
// It and all folders above it belong to root or to who asks, nobody else may write to them, and the
// files are no links: else all is refused ([CodeUnsafe]). A file that is not whole, or makes no
// sense, is refused ([CodeDamaged]), and is never taken for an empty one. The facts about an
// update are read from its file, each time; those in index.json are compared with them.
//
// # Signatures
//
// A signature is PKCS#7 (CMS), detached, with SHA-256 or longer, by a key of RSA or ECDSA whose
// certificate the policy has. It is the one at the end of a module, as the kernel wants it
// (scripts/sign-file, module.Module.Sign), or a file of its own:
//
//	openssl cms -sign -binary -nocerts -md sha256 -outform DER -in fix.ko -signer cert.pem -inkey key.pem -out fix.ko.p7s
//
// It is verified when an update is added, and again before it is loaded. As the kernel does with
// modules, the certificate itself is what is trusted: no chain is followed, and the time of its end is
// not looked at, since clocks may be wrong at boot. To accept a key no longer, take it out of the policy.
//
// # The guard
//
// Before an update is loaded at boot it is written down, on the disk, that this boot does so.
// [Store.Good] takes that back once the machine has proved good. Where it still stands at the next
// boot, the machine did not come so far: all that was active then, or in progress, is left out until
// [Store.Allow]. The machine starts without the fixes then, which is said, and
// is a reason for an exit status that is not 0. Where the guard can't be written, nothing is loaded.
// The word gosplice=off on the kernel's command line has nothing loaded at all.
//
// # Power
//
// Each file is written beside the old one, has reached the disk, and is renamed; then its folder
// is brought to the disk. The index names only files that are there, so that after a power cut
// the store is as before a change, or as after it.
package store
