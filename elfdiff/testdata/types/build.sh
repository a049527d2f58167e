#!/bin/sh
# Builds the objects that the comparison of types is tested with. With gcc 12.2.0
# and clang 14.0.6 (Debian 12) it reproduces them to the byte.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
flags="-O2 -fdebug-prefix-map=$PWD=. -fcf-protection=none -ffunction-sections -fdata-sections"
for side in pre post; do
	gcc $flags -g -c -o "$out/gcc-$side.o" $side.c
	clang-14 $flags -g -c -o "$out/clang-$side.o" $side.c
done
gcc $flags -g -DFACTOR=333 -DHANDLER=first -c -o "$out/inlined-pre.o" inlined.c
gcc $flags -g -DFACTOR=777 -DHANDLER=second -c -o "$out/inlined-post.o" inlined.c
