import pytest

from vbpi_mix.errors import InputWarning
from vbpi_mix.io.tree_weights import name_unread, parse_weight, tagged_weight, weight_behind


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        (b"0.25", 0.25), (b" 3 ", 3.0), (b"1/4", 0.25), (b"2 / 3", 2 / 3), (b"1e-3", 1e-3), (b"0", 0.0),
        (b"-1", None), (b"1/0", None), (b"1/-2", None), (b"nan", None), (b"1e999", None), (b"1_0", None), (b"", None),
        (b"\xff", None),
    ],
)  # fmt: skip
def test_a_weight_is_a_number_or_a_fraction_that_is_not_negative(text, weight):
    assert parse_weight(text) == (None if weight is None else pytest.approx(weight))


@pytest.mark.parametrize(
    ("before", "weight"),
    [
        (b"tree a = [&W 0.25] ", 0.25),
        (b"tree a = [&U] [&W 1/8] ", 0.125),
        (b"tree STATE_0 [&lnP=-1.5,weight=0.9] = ", 0.9),
        (b"tree a = [&w=2] ", 2.0),
        (b"tree a = [&W x] ", None),
        (b"tree a = [&R] ", None),
        (b"tree W 0.25 = ", None),
    ],
)
def test_weights_in_comments_before_a_tree(before, weight):
    assert tagged_weight(before)[0] == weight


def test_what_stands_in_place_of_a_weight_is_given_back():
    assert tagged_weight(b"tree a = [&W x] ") == (None, b"[&W x]")


@pytest.mark.parametrize(
    ("tree", "weight"), [(b"(a,b)[0.25]", 0.25), (b"(a,b)[ 3 ]\n", 3.0), (b"(a,b)[x]", None), (b"(a[0.5],b)", None)]
)
def test_weights_in_the_comment_behind_a_tree(tree, weight):
    assert weight_behind(tree + b"; (c,d)[9];", len(tree)) == weight


def test_a_number_that_looks_like_a_weight_is_named(tmp_path):
    with pytest.warns(InputWarning, match=r"x\.t, line 7: .*'\[p = 0.5\]'"):
        name_unread(tmp_path / "x.t", 7, b"", b"[p = 0.5]")
