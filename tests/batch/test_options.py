import gzip

import pytest

from vbpi_mix.batch.options import LocusOptions, find_loci, shard_of
from vbpi_mix.errors import ConfigError, InputError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("b.fasta", "a.phy", "sub/c.nex", ".hidden", "notes.log", "a.fasta"):
        (tmp_path / "in" / name).write_text(name)
    with gzip.open(tmp_path / "in" / "d.fa.gz", "wt") as file:
        file.write("d")
    return tmp_path / "in"


def test_a_folder_gives_its_files_by_name(folder):
    loci = find_loci(folder, LocusOptions())
    assert [locus.name for locus in loci] == ["a.fasta", "a.phy", "b", "d", "sub/c"]
    assert len({locus.result_path(folder) for locus in loci}) == 5


def test_a_list_and_a_table(folder):
    (folder / "list.txt").write_text("# two\nb.fasta\nsub/c.nex\n")
    assert [locus.path for locus in find_loci(folder / "list.txt", LocusOptions())] == [
        folder / "b.fasta",
        folder / "sub" / "c.nex",
    ]
    (folder / "table.tsv").write_text("alignment\tname\tmodel\tseed\nb.fasta\tfirst\tJC69\t\nsub/c.nex\t\t\t7\n")
    first, second = find_loci(folder / "table.tsv", LocusOptions(model="HKY+G4"))
    assert (first.name, first.options.model, first.options.seed) == ("first", "JC69", 1)
    assert (second.name, second.options.model, second.options.seed) == ("sub/c", "HKY+G4", 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alignment\tspeed\nb.fasta\t3\n", "unknown option 'speed'"),
        ("alignment\tseed\nb.fasta\tx\n", "'x' .*seed"),
        ("alignment\tdepth\nb.fasta\tdeep\n", "unknown depth 'deep'"),
        ("alignment\tseed\nb.fasta\n", "more or fewer cells"),
        ("b.fasta\nb.fasta\n", "two loci are named 'b'"),
        ("\n", "there are no alignments"),
    ],
)
def test_what_a_table_must_not_say(folder, text, message):
    (folder / "table.tsv").write_text(text)
    with pytest.raises((ConfigError, InputError), match=message):
        find_loci(folder / "table.tsv", LocusOptions())


def test_the_key_follows_content_and_options(folder):
    (locus,) = [x for x in find_loci(folder, LocusOptions()) if x.name == "b"]
    (other,) = [x for x in find_loci(folder, LocusOptions(seed=2)) if x.name == "b"]
    key = locus.key()
    assert key != other.key()
    locus.path.write_text("changed")
    assert locus.key() != key


def test_shards_are_disjoint_and_complete(folder):
    loci = find_loci(folder, LocusOptions())
    parts = [shard_of(loci, f"{i}/3") for i in (1, 2, 3)]
    assert sorted(x.name for part in parts for x in part) == [x.name for x in loci]
    for text in ("0/3", "4/3", "a", "1/0", "1"):
        with pytest.raises(ConfigError, match="--shard"):
            shard_of(loci, text)


def test_names_that_differ_in_odd_signs_stay_apart(tmp_path):
    for name in ("a b.fasta", "a_b.fasta", "a:b.fasta"):
        (tmp_path / name).write_text("x")
    paths = {locus.result_path(tmp_path) for locus in find_loci(tmp_path, LocusOptions())}
    assert len({p.name for p in paths}) == 3
