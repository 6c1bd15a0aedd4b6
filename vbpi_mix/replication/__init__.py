"""The benchmarks of the paper as resumable runs: a record per trained model, and tables and figures made from them."""
