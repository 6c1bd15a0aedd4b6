"""A posterior sample as files: tables, trees, traces, and the formats of other programs."""
