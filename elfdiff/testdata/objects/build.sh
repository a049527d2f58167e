#!/bin/sh
# Builds the objects that the examples and the fuzz targets of package elfdiff
# start from. With gcc 12.2.0 (Debian 12) it reproduces them to the byte.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
sections="-fcf-protection=none -ffunction-sections -fdata-sections"
gcc -O2 -fno-pic $sections -c -o "$out/pre.o" pre.c
gcc -O2 -fno-pic $sections -c -o "$out/post.o" post.c
gcc -O1 -c -o "$out/plain.o" pre.c
gcc -O2 -fPIC $sections -c -o "$out/pic.o" pre.c
gcc -O1 -g -fdebug-prefix-map="$PWD"=. -c -o "$out/debug.o" post.c
g++ -O2 $sections -c -o "$out/cxx.o" cxx.cc
