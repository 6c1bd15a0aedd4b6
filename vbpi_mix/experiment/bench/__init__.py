"""Benchmarks of the paper as resumable runs: one JSON file per trained model, tables and pictures made from the files."""
