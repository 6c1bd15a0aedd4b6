#!/usr/bin/env bash
# phangorn 2.11.1, RF.dist(x, y, rooted = TRUE), where x has a root (two branches at the base) and y has three, prints
# "one tree is unrooted, unrooted both". Expected: then the distance of the two without roots, 4, which rooted = FALSE
# and RF.dist(c(x, y), rooted = TRUE) give. Seen: 6, which is not that, nor the number of clades in one tree only (5:
# de, cde, cdef against cd, ef): the clades of the trees, without their roots, as they happen to be drawn. wRF.dist and
# KF.dist do the same (8 for 6, 3.74 for 2.83).
#
# Needs Debian 12 (apt-get download). Fails if the behaviour changes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
. "$here/r_of_debian.bash"
unpack_r r-cran-phangorn=2.11.1+dfsg-1
cat > a.R <<'R'
suppressMessages(library(phangorn))
cat("phangorn", as.character(packageVersion("phangorn")), "ape", as.character(packageVersion("ape")), "\n")
x <- read.tree(text = "((a:1,b:1):2,((c:1,(d:1,e:1):1):1,f:1):1);")
y <- read.tree(text = "((a:1,b:1):1,(c:1,d:1):1,(e:1,f:1):1);")
seen <- suppressWarnings(c(RF.dist(x, y, rooted = TRUE), RF.dist(x, y), RF.dist(unroot(x), unroot(y)),
                           RF.dist(c(x, y), rooted = TRUE), wRF.dist(x, y, rooted = TRUE), wRF.dist(x, y),
                           KF.dist(x, y, rooted = TRUE), KF.dist(x, y)))
names(seen) <- c("RF, rooted = TRUE", "RF", "RF of unroot(x), unroot(y)", "RF of c(x, y), rooted = TRUE",
                 "wRF, rooted = TRUE", "wRF", "KF, rooted = TRUE", "KF")
print(round(seen, 4))
if (any(abs(seen - c(6, 4, 4, 4, 8, 6, sqrt(14), sqrt(8))) > 1e-6)) stop("the behaviour has changed")
R
"$r/bin/R" --vanilla --no-echo -f a.R
