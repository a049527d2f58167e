#!/bin/sh
# Builds the objects that this package is tested with. With gcc 12.2.0 and clang
# 14.0.6 (Debian 12) it reproduces them to the byte.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
map="-fdebug-prefix-map=$PWD=."
gcc -g -O2 $map -ffunction-sections -c -o "$out/gcc.o" unit.c
gcc -gdwarf-4 -O2 $map -c -o "$out/gcc4.o" unit.c
gcc -g -O0 $map -gz -c -o "$out/gccz.o" unit.c
clang-14 -g -O2 $map -ffunction-sections -c -o "$out/clang.o" unit.c
clang-14 -gdwarf-4 -O2 $map -c -o "$out/clang4.o" unit.c
ld -r -o "$out/both.o" "$out/gcc.o" "$out/clang4.o" -z muldefs
