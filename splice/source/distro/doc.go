// Package distro gets the files of a distribution's kernel that an update is made from: its
// source, its configuration, its image with symbols, its modules.
//
// [Debian] gets those of any release that Debian serves, and [Running] those of the kernel of
// this machine. Both use apt, which finds, downloads and authenticates, and keep what they
// fetched in a folder, so that the next call needs no network. They install nothing, and
// change nothing of apt: what is missing on the machine is a [MissingError] with the line
// that installs it.
//
// Only packages of one build are put together: same release, same version.
package distro
