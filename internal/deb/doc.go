// Package deb fetches Debian packages through apt and unpacks chosen paths of
// them into a cache, for those who want a stock kernel, its debug
// information or its build tools.
//
// apt finds, downloads and authenticates; dpkg-deb undoes the compression. Both
// stand on every system that has packages to fetch. What is left is done here:
// versions are compared ([Compare]), a selection of paths is unpacked inside an
// [os.Root], so that no entry can leave its folder, and a finished tree appears
// in the cache in one step ([Cache.Tree]), however many processes ask for it at
// once and wherever one of them is interrupted.
//
// It installs nothing, runs no maintainer scripts, resolves no dependencies, and
// never refreshes apt's lists: a list that is too old is reported as
// [ErrUnavailable].
package deb
