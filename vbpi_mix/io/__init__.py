"""Files and values: alignments, trees, tree lists, the data catalogue."""
