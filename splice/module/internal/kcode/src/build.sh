#!/bin/sh
# Builds the objects that package kcode embeds: build.sh DIR writes them into DIR. With
# gcc-12 12.2.0 and binutils 2.40 (Debian 12) they come out the same byte for byte.
set -eu
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"

# As the kernel's own build has its code: no red zone, no floating point, ENDBR64 where
# functions begin, returns through the thunk, nothing behind a return runs. No indirect
# branches, no calls of memcpy() that the source does not have, and no clones of functions.
flags='-std=gnu11 -Os -Wall -Wextra -Werror -ffreestanding -fno-builtin
	-m64 -mcmodel=kernel -fno-pic -fno-pie -mno-red-zone -mgeneral-regs-only
	-fcf-protection=branch -mfunction-return=thunk-extern -mindirect-branch=thunk-extern -mharden-sls=all
	-fno-jump-tables -fno-stack-protector -fno-stack-clash-protection
	-fno-strict-aliasing -fno-strict-overflow -fno-delete-null-pointer-checks
	-fno-tree-loop-distribute-patterns -fno-reorder-blocks-and-partition
	-fno-ipa-ra -fno-ipa-sra -fno-ipa-cp -fno-partial-inlining
	-fomit-frame-pointer -fasynchronous-unwind-tables -fno-common -fno-ident -g0'

for source in *.c *.S; do
	object=$out/${source%.*}.o
	${CC:-gcc-12} $flags -c -o "$object" "$source"
	objcopy --remove-section=.note.gnu.property --remove-section=.note.GNU-stack "$object"
done
