from vbpi_mix.analysis.parameter_agreement import numbered


def test_parts_are_counted_by_their_multipliers():
    names = ["TL", "kappa{pos1}", "pi(A){pos2}", "alpha", "m{pos1}", "m{pos2}"]
    assert numbered(names) == ["TL", "kappa{1}", "pi(A){2}", "alpha", "m{1}", "m{2}"]
    already = ["TL", "kappa{1}", "m{1}", "m{2}"]
    assert numbered(already) == already
