#!/usr/bin/env bash
# ape 5.7, names with an apostrophe: Newick (its help names Olsen's description as the reference) writes one in a quoted
# label by doubling it: 'O''Neil'. Expected: read.tree gives O'Neil, and what write.tree and write.nexus make of a leaf
# O'Neil can be read again. Seen: read.tree makes the label a missing value, NA, with no more than a warning of
# "coercion"; write.tree leaves the apostrophe bare, and read.tree stops at its text with an error; write.nexus does
# the same and read.nexus drops the apostrophe silently (ONeil). DendroPy and Biopython read O'Neil from 'O''Neil'.
#
# Needs Debian 12 (apt-get download). Fails if the behaviour changes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
. "$here/r_of_debian.bash"
unpack_r r-cran-ape=5.7-1
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
