"""One stream of random numbers per purpose, so that none depends on how many another took."""

START_STREAM, TRAIN_STREAM, EVALUATE_STREAM, SAMPLE_STREAM, GROWTH_STREAM, REPORT_STREAM, CHAIN_STREAM = range(7)
CONSTRAINT_STREAM, QUESTION_STREAM = 7, 8
