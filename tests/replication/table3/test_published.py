from vbpi_mix.io.datasets import catalogue
from vbpi_mix.replication.table3.published import load_published
from vbpi_mix.replication.table3.rows import parse_rows


def test_values_as_printed():
    published = load_published()
    (row,) = parse_rows(["4,1,S2A"])
    assert (published.models["DS5", row].nll, published.models["DS5", row].sd) == (8217.98, 0.73)
    assert (published.mrbayes["DS7"].nll, published.mrbayes["DS7"].sd) == (37332.76, 2.42)
    assert published.elbo["DS1"] == -7110.24
    assert published.costs["DS8"] == (1.954, 2.359)
    for values in (published.mrbayes, published.elbo, published.costs):
        assert list(values) == [f"DS{i}" for i in range(1, 9)]
    assert len(published.models) == 8 * 16


def test_the_catalogue_says_the_same():
    """The reference values of `data/catalog.toml`, entered by themselves."""
    published = load_published()
    for name in published.mrbayes:
        values = {r["method"]: r for r in catalogue()[name].references if r["quantity"].startswith("marginal")}
        stones = values["MrBayes, stepping stone"]
        assert (-stones["value"], stones["sd"]) == (published.mrbayes[name].nll, published.mrbayes[name].sd)
        two = values["mixture of VBPI with normalizing flows, A2A, A = 2"]
        assert -two["value"] == published.models[name, parse_rows(["2,2,A2A"])[0]].nll
