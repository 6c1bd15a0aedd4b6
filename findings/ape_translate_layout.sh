#!/usr/bin/env bash
# ape 5.7, read.nexus: follows "as much as possible the NEXUS standard"; of TRANSLATE tables its help only asks for
# integers without gap. NEXUS is made of tokens, and where lines end has no meaning. Expected: one tree of three leaves
# from a table on three lines, on one line, or with its first pair beside the word TRANSLATE. Seen: a tree of 3, 1 and 2
# leaves, without error or warning: on one line, tree and all become the name of a single leaf, and of the third form
# the first taxon is gone. DendroPy and Biopython read three leaves from all three.
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
