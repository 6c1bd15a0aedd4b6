"""Many loci: a posterior of trees for each alignment of a folder."""
