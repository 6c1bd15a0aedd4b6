#!/usr/bin/env bash
# ape 5.7, names with an apostrophe: Newick (its help names Olsen's description as the reference) writes one in a quoted
# label by doubling it: 'O''Neil'. Expected: read.tree gives O'Neil, and what write.tree and write.nexus make of a leaf
# O'Neil can be read again. Seen: read.tree makes the label a missing value, NA, with no more than a warning of
# "coercion"; write.tree leaves the apostrophe bare, and read.tree stops at its text with an error; write.nexus does
# the same and read.nexus drops the apostrophe silently (ONeil). DendroPy and Biopython read O'Neil from 'O''Neil'.
#
# Needs Debian 12 (apt-get download). Fails if the behaviour changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
version=5.7-1
others=$(apt-get install -s --no-install-recommends "r-cran-ape=$version" 2> /dev/null | awk '/^Inst/ {print $2}' |
    grep -vx r-cran-ape) || true
others=$(printf '%s\n' r-base-core "$others" | sort -u)
# shellcheck disable=SC2086
apt-get download "r-cran-ape=$version" $others > /dev/null 2>&1 ||
    { echo "ape $version cannot be had here"; exit 2; }
for file in ./*.deb; do dpkg -x "$file" root; done
r=$work/root/usr/lib/R  # R, moved to this folder
sed -i "s|/usr/lib/R|$r|g; s|/usr/share/R|$work/root/usr/share/R|g" "$r/bin/R"
for file in Makeconf Renviron.site Rprofile.site ldpaths repositories; do
    ln -sf "$work/root/etc/R/$file" "$r/etc/$file"
done
ln -sf Renviron.ucf "$r/etc/Renviron"
lib=$work/root/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib:$lib/blas:$lib/lapack:$r/lib
export R_LIBS=$r/site-library:/usr/lib/R/site-library:/usr/lib/R/library
cat > a.R <<'R'
suppressMessages(library(ape))
cat("ape", as.character(packageVersion("ape")), "\n")
doubled <- suppressWarnings(read.tree(text = "('O''Neil':1,b:1,c:1);"))$tip.label[1]
tree <- read.tree(text = "(a:1,b:1,c:1);")
tree$tip.label[1] <- "O'Neil"
written <- write.tree(tree)
again <- tryCatch(read.tree(text = written)$tip.label[1], error = function(e) paste("error:", conditionMessage(e)))
write.nexus(tree, file = "a.nex")
nexus <- read.nexus("a.nex")$tip.label[1]
cat("read 'O''Neil':", doubled, "\nwritten:", written, "\nread again:", again, "\nthrough NEXUS:", nexus, "\n")
if (!is.na(doubled) || written != "(O'Neil:1,b:1,c:1);" || !startsWith(again, "error") || nexus != "ONeil")
    stop("the behaviour has changed")
R
"$r/bin/R" --vanilla --no-echo -f a.R
