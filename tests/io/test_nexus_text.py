import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus_text import commands, unquote, words


def test_commands_with_blocks_lines_and_comments():
    text = "#NEXUS\n[a [nested; one] 'x]\nbegin data;\n  matrix\n  'a;b[1]' AC[x]GT\n  it's A;\nend;\nbegin Trees; x"
    found = list(commands(text, "f"))
    assert [(c.keyword, c.block, c.ended) for c in found] == [
        ("begin", "", True),
        ("matrix", "data", True),
        ("end", "data", True),
        ("begin", "", True),
        ("x", "trees", False),
    ]
    assert [c.line for c in found] == [3, 4, 7, 8, 8]
    assert found[1].rest == "\n  'a;b[1]' ACGT\n  it's A"


def test_line_breaks_of_comments_stay():
    (command, _) = commands("matrix a A[\n\n]\nb B;", "f")
    assert command.text == "matrix a A\n\n\nb B"


@pytest.mark.parametrize(("text", "message"), [("a\n[b", "line 2: a comment"), ("a\n\n 'b;", "line 3: a quoted word")])
def test_what_is_never_closed(text, message):
    with pytest.raises(InputError, match=message):
        list(commands(text, "f"))


def test_words():
    assert words("a = 'b c''d', \"e f\" g=h;") == ["a", "=", "'b c''d'", ",", '"e f"', "g", "=", "h", ";"]


@pytest.mark.parametrize(
    ("word", "text"), [("'it''s'", "it's"), ('"a b"', "a b"), ("it's", "it's"), ("''", ""), ("'", "'"), ("a", "a")]
)
def test_unquote(word, text):
    assert unquote(word) == text
