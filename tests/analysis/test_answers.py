"""Answers in words and as numbers."""

import pytest

from tests.analysis.five_taxa import TAXA, fitted
from vbpi_mix.analysis.answers import sentence, to_dict
from vbpi_mix.phylo.constraints import clade_constraint


def test_words_and_numbers():
    posterior = fitted()
    answer = posterior.ask(clade_constraint(TAXA, [0, 1], name="a,b together"))
    text = sentence(answer, posterior.conditional_on)
    assert text.startswith("a,b together: posterior probability 0.")
    assert "prior probability 0.2; Bayes factor" in text
    assert to_dict(answer)["prior"] == pytest.approx(0.2)
