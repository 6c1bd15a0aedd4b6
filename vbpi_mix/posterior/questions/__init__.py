"""Questions to a posterior: hypotheses, credible sets, central trees, rogue taxa, islands."""
