"""Models and data types of RAxML and RAxML-NG, and discrete characters with odd symbols."""

import pytest

from vbpi_mix.errors import ConfigError, InputError, InputWarning
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.partitions import read_partitions
from vbpi_mix.model import parse_model


def test_corrections_for_ascertainment_of_raxml_ng():
    assert parse_model("JC+FE+ASC_LEWIS") == parse_model("JC+ASC")
    assert parse_model("MK+G4m{0.5}+ASC_LEWIS") == parse_model("MK+G4{0.5}+ASC")
    for word in ("ASC_FELS{10}", "ASC_STAM{1/2/3/4}"):
        with pytest.raises(ConfigError, match=r"unknown part '\+ASC_.*only \+ASC_LEWIS"):
            parse_model(f"JC+{word}")


def test_a_name_is_shown_with_its_dots_and_underscores():
    for name in ("Q.pfam", "MULTI4_MK", "LIE2.2b"):
        with pytest.raises(ConfigError, match=f"unknown substitution model '{name}'"):
            parse_model(f"{name}+G4{{0.5}}")


def test_six_rates_agree_with_the_classes_of_the_model():
    assert parse_model("TN{1/2/1/1/3/1}") == parse_model("TN{2,3}")
    assert parse_model("HKY{0.5/1/0.5/0.5/1/0.5}") == parse_model("HKY{2}")
    with pytest.raises(ConfigError, match="010020, not 2 and 1"):
        parse_model("TN{2/3/1/1/1/1}")


def test_data_types_of_raxml(tmp_path):
    path = tmp_path / "parts.txt"
    path.write_text("DNAX, a = 1-10\nLGF, b = 11-20\nwagx, c = 21-30\nLG, d = 31-40\n")
    with pytest.warns(InputWarning, match="DNAX is read as DNA"):
        parts = read_partitions(path, 40)
    assert [(part.model, part.data_type) for part in parts] == [
        (None, "dna"), ("LG+F", "protein"), ("wag+FO", "protein"), ("LG", "protein"),
    ]  # fmt: skip
    path.write_text("AUTO, a = 1-40\n")
    with pytest.raises(InputError, match=r"line 1, part 'a': .*'AUTO'"):
        read_partitions(path, 40)


def test_a_letter_among_digits_is_named(tmp_path):
    (tmp_path / "x.nex").write_text(
        "#NEXUS\nbegin data;\ndimensions ntax=4 nchar=3;\nformat datatype=standard;\n"
        "matrix a 010 b 1N0 c 001 d 110;\nend;\n"
    )
    with pytest.warns(InputWarning, match="'N' .* 23 .* 24 states, .*2, 3, 4 and 18 more"):
        assert len(read_alignment(tmp_path / "x.nex").type_of().states) == 24
