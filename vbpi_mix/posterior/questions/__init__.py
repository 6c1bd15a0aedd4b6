"""What a posterior says to a question: hypotheses, credible sets, centres, rogue taxa, islands."""
