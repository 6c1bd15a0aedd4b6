#!/usr/bin/env bash
# ape 5.7, read.nexus: follows "as much as possible the NEXUS standard"; of TRANSLATE tables its help only asks for
# integers without gap. NEXUS is made of tokens, and where lines end has no meaning. Expected: one tree of three leaves
# from a table on three lines, on one line, or with its first pair beside the word TRANSLATE. Seen: a tree of 3, 1 and 2
# leaves, without error or warning: on one line, tree and all become the name of a single leaf, and of the third form
# the first taxon is gone. DendroPy and Biopython read three leaves from all three.
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
tables <- c(lines = "translate\n1 alpha,\n2 beta,\n3 gamma;", one = "translate 1 alpha, 2 beta, 3 gamma;",
            beside = "translate 1 alpha,\n2 beta,\n3 gamma;")
options(warn = 2)
seen <- sapply(names(tables), function(name) {
    writeLines(c("#NEXUS", "begin trees;", tables[[name]], "tree t = [&R] ((1:1,2:1):1,3:2);", "end;"), "a.nex")
    tips <- read.nexus("a.nex")$tip.label
    cat(name, ": ", length(tips), " leaves: ", paste(tips, collapse = " | "), "\n", sep = "")
    length(tips)
})
if (!identical(unname(seen), c(3L, 1L, 2L))) stop("the behaviour has changed")
R
"$r/bin/R" --vanilla --no-echo -f a.R
