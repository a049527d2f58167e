// Package vm boots kernels in QEMU, for those who need a running kernel that they may
// break.
//
// [Start] boots a kernel, and the [Machine] loads and unloads modules, reads and writes
// files, runs programs. The kernel log is followed from boot on; [Machine.Check] finds
// whatever in it tells of a kernel that is not well ([CheckLog]), and a taint that was
// not announced ([Policy]).
//
// Kernels come through apt into a cache (package deb). The guest's root is an
// archive in memory that holds one program, built from the folder guest, and the
// modules that its connection needs (package cpio). The host talks with it through
// a virtio serial port (package wire): a serial line loses bytes when large
// modules travel, and is slow. The first serial line is the console.
//
// QEMU always emulates (TCG), so that a machine behaves alike on every host, with
// or without KVM. It dies with the process that started it, and leaves no files:
// whatever it reads and writes is inherited as file descriptors.
//
// Linux on x86-64 only.
package vm
