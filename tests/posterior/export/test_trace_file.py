"""The log of an export, as Tracer wants it."""

import csv

import numpy as np
import pytest

from tests.posterior.export.round_trips import PARAMETERS, PLAIN_NAMES, whole, write_all


def test_the_log_in_the_form_of_tracer(tmp_path):
    for equal in (True, False):
        stream, *_ = write_all(tmp_path, PLAIN_NAMES, equal=equal, parameters=PARAMETERS)
        lines = (tmp_path / "x.log").read_text().splitlines()
        comments = [line for line in lines if line.startswith("#")]
        assert "effective sample size" in " ".join(comments)
        assert not any("  " in line for line in lines)  # Tracer stumbles over double spaces
        rows = list(csv.DictReader(lines[len(comments) :], delimiter="\t"))
        chunk = whole(stream)
        heading = ["state", "log_posterior", "log_likelihood", "log_prior", "tree_length", *PARAMETERS, "component"]
        assert list(rows[0]) == heading + ([] if equal else ["log_weight"])
        for name, values in (
            ("log_likelihood", chunk.log_likelihood),
            ("log_prior", chunk.log_prior),
            ("log_posterior", chunk.log_likelihood + chunk.log_prior),
            ("tree_length", chunk.branch_lengths.sum(axis=1)),
            ("component", chunk.components + 1),
            *zip(PARAMETERS, chunk.parameters.T, strict=True),
        ):
            np.testing.assert_allclose([float(row[name]) for row in rows], values, atol=2e-6, err_msg=name)
        if equal:
            assert "log_weight" not in rows[0]
        else:
            assert np.exp([float(row["log_weight"]) for row in rows]).sum() == pytest.approx(1)
