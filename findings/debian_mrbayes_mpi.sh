#!/usr/bin/env bash
# MrBayes 3.2.7a of Debian 12, package mrbayes-mpi: `mb-mpi` is started by mpirun. Expected: a program that uses MPI, in
# which two processes share the runs and chains of one analysis. Seen: the file that mpirun starts is byte for byte the
# `mb` of the package mrbayes. It needs no MPI library and has none of MPI's functions, so each process does the whole
# analysis and writes the same files; two cores take as long as one.
#
# Needs Debian 12 (apt-get download) and binutils. Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for package in mrbayes=3.2.7a-6 mrbayes-mpi=3.2.7a-6; do
    apt-get download "$package" > /dev/null 2>&1 || { echo "$package cannot be had here"; exit 2; }
done
for file in ./*.deb; do dpkg -x "$file" package; done
plain=package/usr/bin/mb parallel=package/usr/lib/mrbayes-mpi/mb-mpi
echo "libraries of mb-mpi: $(objdump -p "$parallel" | awk '/NEEDED/ {print $2}' | tr '\n' ' ')"
functions=$(nm -D "$parallel" | grep -c ' U MPI_' || true)
echo "functions of MPI that it calls: $functions"
grep -q '^exec mpirun ' package/usr/bin/mb-mpi || { echo "mb-mpi does not start mpirun any more"; exit 1; }
if cmp -s "$plain" "$parallel" && [ "$functions" = 0 ] && ! objdump -p "$parallel" | grep -q 'NEEDED.*libmpi'; then
    echo "as seen: mb-mpi is the mb without MPI"
else
    echo "changed: mb-mpi is a program of its own"
    exit 1
fi
