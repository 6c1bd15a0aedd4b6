"""Benchmarks of the paper as resumable runs: a JSON file per trained model, and tables and pictures made from them."""
