// Package debkernel knows in which packages Debian ships the parts of a kernel, and has
// them in a cache: what boots, the configuration, the image with symbols, exports,
// objtool, source.
//
// One build of a kernel is many packages of one version. They are named after the release
// (what uname -r prints), which is a base and a flavour: 6.1.0-50 and cloud-amd64. Some are
// shared by flavours, and some by releases.
package debkernel
