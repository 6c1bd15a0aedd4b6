"""Table 3 of the paper: marginal log-likelihoods of the phylogenetic data sets."""
