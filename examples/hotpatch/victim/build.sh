#!/bin/sh
# Builds the victim that the example embeds: shop (the program), pre.o (the
# object that its buggy half was linked from) and post.o (the same with the
# fix). Run by "go generate ./examples/hotpatch". With gcc 12.2.0 and binutils
# 2.40 (Debian 12) it reproduces the files to the byte.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
cflags="-O2 -fPIE -ffreestanding -fno-stack-protector -fcf-protection=none -fno-ident -g0"
cflags="$cflags -ffunction-sections -fdata-sections"
cflags="$cflags -fno-tree-loop-distribute-patterns"
gcc $cflags -c -o "$out/server.o" server.c
gcc $cflags -c -o "$out/pre.o" pre/shop.c
gcc $cflags -c -o "$out/post.o" post/shop.c
gcc -nostdlib -static-pie -Wl,-z,noexecstack -Wl,--build-id=sha1 -o "$out/shop" "$out/server.o" "$out/pre.o"
rm "$out/server.o"
