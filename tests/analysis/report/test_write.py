import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from tests.experiment.simulated import fitted_example, write_example
from vbpi_mix.analysis import summarise
from vbpi_mix.analysis.report import write_report
from vbpi_mix.analysis.report.content import gather, small_side
from vbpi_mix.analysis.report.prose import model_text, names_of, verdict
from vbpi_mix.analysis.report.write import figures_of
from vbpi_mix.errors import InputError
from vbpi_mix.experiment import fit_folder, make_config

NAMES = (
    "<script>alert(1)</script>", "x\" onload=\"alert(2)", "a&amp;b", "</title><img src=x onerror=alert(3)>", "]]>",
    "'--><svg/onload=alert(4)>",
)  # fmt: skip
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collects text and attributes, and checks that elements are closed in order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.text, self.tags, self.attributes = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run on taxa and a file whose names are markup."""
    folder = tmp_path_factory.mktemp("report")
    alignment, trees = write_example(folder)
    old = ["t0", "t1", "taxon 2", "t3", "t4", "t5"]
    fasta, newick = alignment.read_text(), trees.read_text()
    hostile = folder / "<b>x & 'y'.fasta"
    for before, after in zip(old, NAMES, strict=True):
        fasta = fasta.replace(f">{before}\n", f">{after}\n")
        quoted = after.replace("'", "''")
        newick = newick.replace(f"'{before}'", f"'{quoted}'")
    hostile.write_text(fasta)
    trees.write_text(newick)
    config = make_config(
        alignment=str(hostile),
        trees=(str(trees),),
        model="JC69",
        components=2,
        sampled=1,
        iterations=1000,
        particles=4,
        seed=3,
    )
    return fit_folder(config, folder / "run")[0]


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


def test_a_fit_ends_with_a_report_that_fetches_nothing(run):
    summarise(run)
    reader = read(run.folder.report)
    source = run.folder.report.read_text(encoding="utf-8")
    assert not {"script", "img", "iframe", "object", "embed"} & set(reader.tags)
    assert not re.search(r"url\(|@import", source)
    for tag, name, value in reader.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("href", "src", "xlink:href"):
            assert value.startswith(("#", "data:,")), value
    ids = {value for _, name, value in reader.attributes if name == "id"}
    for _, name, value in reader.attributes:
        if name == "href" and value.startswith("#"):
            assert value[1:] in ids


def test_names_are_shown_as_text_whatever_they_hold(run):
    summarise(run)
    text = "".join(read(run.folder.report).text)
    for name in NAMES:
        assert name in text
    assert "<b>x & 'y'.fasta" in text
    for path in run.folder.figures.glob("*.svg"):
        root = ET.parse(path).getroot()  # is XML
        assert not [e for e in root.iter() if e.tag.endswith(("script", "image", "foreignObject"))]
        if path.stem in ("tree", "cloud"):
            assert {t for e in root.iter() for t in [e.text] if t} >= {n for n in NAMES if len(n) < 20}


def test_everything_that_was_asked_for_is_there(run, tmp_path):
    sample = run.weighted_sample(n_particles=200, n_repeats=2)
    path = tmp_path / "page.html"
    written = write_report(run, sample, path, figures=tmp_path / "figures", outgroup=NAMES[2])
    assert written[0] == path
    assert {p.name for p in written[1:]} == {
        "tree.svg", "cloud.svg", "lengths_tips.svg", "lengths_inner.svg", "training.svg", "credible.svg",
    }  # fmt: skip
    text = " ".join("".join(read(path).text).split())
    for words in (
        "marginal log-likelihood", f"the drawing is rooted at {NAMES[2]}", "Pareto k of the weights", "vbpi-mix fit",
        "exponential with rate 10", "Jukes and Cantor", "Hotti", "uniform over unrooted", "numba", "seed 3",
        "not in the consensus", "Training",
    ):  # fmt: skip
        assert words in text, words


def test_an_outgroup_that_is_not_there(run, tmp_path):
    sample = run.weighted_sample(n_particles=200, n_repeats=1)
    with pytest.raises(InputError, match="Nobody"):
        write_report(run, sample, tmp_path / "page.html", outgroup="Nobody")
    assert not list(tmp_path.iterdir())


def test_numbers_agree_with_the_summaries(run):
    sample = run.weighted_sample(n_particles=200, n_repeats=2)
    content = gather(run, sample)
    assert len(content.lengths) == 6 + len(content.consensus.supports) - 7
    for row, node in zip(content.lengths[:6], range(6), strict=True):
        assert row.low <= row.mean <= row.high
        assert row.mean == content.consensus.lengths[node]
    assert all(2 <= len(small_side(content.splits, i)) <= 3 for i in range(content.splits.n_splits))
    assert content.training[-1, 0] == 1000
    assert sum(content.cloud.shares) == pytest.approx(1)
    assert set(figures_of(content)) >= {"tree", "tree_narrow", "cloud", "cloud_narrow", "training"}


def test_parameters_have_a_section_where_they_are_inferred(run, tmp_path):
    inferring = fitted_example(model="HKY+I{0.1}+G4")
    for one, expected in ((inferring, True), (run, False)):
        sample = one.weighted_sample(n_particles=200, n_repeats=1)
        write_report(one, sample, tmp_path / "page.html", figures=tmp_path / "figures")
        reader = read(tmp_path / "page.html")
        text = " ".join("".join(reader.text).split())
        assert ("parameters-title" in [value for _, name, value in reader.attributes if name == "id"]) == expected
        for words in ("pi(A)", "Prior of kappa / (1 + kappa)", "beta(1,1)", "kappa inferred",
                      "inferred shape in 4", "proportion 0.1 of", "Prior of state frequencies"):  # fmt: skip
            assert (words in text) == expected, words
        assert (tmp_path / "figures" / "parameters.svg").is_file() or not expected
        assert "Prior of invariant sites" not in text


def test_words():
    assert names_of(("a", "b")) == "a and b"
    assert names_of(("a", "b", "c", "d", "e")) == "a, b, c, d and e"
    assert names_of(tuple("abcdefg")) == "a, b, c, d and 3 more"
    assert verdict([]) == "Every diagnostic is good."
    text = model_text("GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+I{0.2}+G4{0.5}")
    for part in (
        "general time-reversible",
        "1.2, 3.1, 0.7, 0.9, 4",
        "0.3, 0.2, 0.2, 0.3",
        "invariant",
        "shape 0.5 in 4",
    ):
        assert part in text
    assert "kappa 2" in model_text("HKY{2.0}")
    text = model_text("GTR+I+G4")
    for part in (
        "rates inferred",
        "base frequencies inferred",
        "an inferred proportion of invariant",
        "inferred shape",
    ):
        assert part in text
    assert "counted in the alignment" in model_text("HKY+F")
    assert "kappa inferred" in model_text("K80")
