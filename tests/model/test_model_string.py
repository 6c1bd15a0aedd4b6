"""Model strings: what they mean, that they survive a round trip, and that nonsense is met with the right message."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbpi_mix.errors import ConfigError
from vbpi_mix.model import GammaSpecification, ModelSpecification, parse_model

MEANINGS = {
    "JC": ModelSpecification(name="JC69", frequencies="equal"),
    "jc69": ModelSpecification(name="JC69", frequencies="equal"),
    "JC+FQ": ModelSpecification(name="JC69", frequencies="equal"),
    "K2P{2}": ModelSpecification(name="K80", rates=(2.0,), frequencies="equal"),
    "K80{4.0,2.0}": ModelSpecification(name="K80", rates=(2.0,), frequencies="equal"),
    "F81": ModelSpecification(name="F81", frequencies="empirical"),
    "F81+FQ": ModelSpecification(name="F81", frequencies="equal"),
    "HKY{2.5}": ModelSpecification(name="HKY85", rates=(2.5,), frequencies="empirical"),
    "HKY85{2.5}+F": ModelSpecification(name="HKY85", rates=(2.5,), frequencies="empirical"),
    "TN{2,3}+FQ": ModelSpecification(name="TN93", rates=(2.0, 3.0), frequencies="equal"),
    "TrN{1,2,0.5}+FQ": ModelSpecification(name="TN93", rates=(2.0, 4.0), frequencies="equal"),
    "GTR{1.2,3.1,0.7,0.9,4.0,1.0}+F{0.3,0.2,0.2,0.3}+I{0.2}+G4{0.5}": ModelSpecification(
        name="GTR",
        rates=(1.2, 3.1, 0.7, 0.9, 4.0),
        frequencies=(0.3, 0.2, 0.2, 0.3),
        proportion_invariant=0.2,
        gamma=GammaSpecification(shape=0.5),
    ),
    "GTR{2,4,6,8,10,2}+G{.5}+I{0}+FQ": ModelSpecification(
        name="GTR",
        rates=(1.0, 2.0, 3.0, 4.0, 5.0),
        frequencies="equal",
        proportion_invariant=0.0,
        gamma=GammaSpecification(shape=0.5),
    ),
    "JC+GA7{1e2}": ModelSpecification(
        name="JC69",
        frequencies="equal",
        gamma=GammaSpecification(shape=100.0, n_categories=7, discretisation="median"),
    ),
    "HKY{ 2.0 }+F{ 0.1, 0.2 ,0.3,0.4}": ModelSpecification(
        name="HKY85", rates=(2.0,), frequencies=(0.1, 0.2, 0.3, 0.4)
    ),
}

# string -> (character where it goes wrong, part of the message)
MISTAKES = {
    "": (1, "must begin with its name: choose one of JC69, K80, F81, HKY85, TN93, GTR"),
    "XYZ": (1, "unknown substitution model 'XYZ'"),
    " JC": (1, "must begin with its name"),
    "JC{1}": (3, "leave the braces out"),
    "HKY": (4, "HKY needs the rate kappa in braces: for example HKY{2.0}"),
    "HKY+G4{0.5}": (4, "for example HKY{2.0}"),
    "TN+F": (3, "for example TN{2.0,3.0}"),
    "GTR": (4, "for example GTR{1.2,3.1,0.7,0.9,4.0}"),
    "GTR{1,2,3}": (4, "GTR takes 5 numbers (A-C, A-G, A-T, C-G, C-T), or one more for the other rates, not 3"),
    "HKY{1,2,3}": (4, "HKY takes 1 number (kappa)"),
    "HKY{}": (5, "expected a number (rate kappa)"),
    "HKY{-1}": (5, "expected a number"),
    "HKY{nan}": (5, "expected a number"),
    "HKY{1_0}": (6, "expected ',' and another number, or '}'"),
    "HKY{2": (6, "or '}'"),
    "HKY{2,": (7, "expected a number"),
    "HKY{1e9}": (5, "between 0 and 1e+06, not 1e9"),
    "HKY{1e999}": (5, "not 1e999"),
    "HKY{2,0}": (4, "must be positive"),
    "HKY{2.0}G4": (9, "expected '+'"),
    "HKY{2.0} +G4": (9, "expected '+'"),
    "JC+": (3, "unknown part '+'"),
    "JC+G": (5, "+G needs the shape of the gamma distribution in braces: for example +G{0.5}"),
    "JC+G4": (6, "for example +G4{0.5}"),
    "JC+G4{0}": (7, "between 0.001 and 1e+06, not 0"),
    "JC+G4{0.5,1}": (6, "is one number, not 2"),
    "JC+G0{0.5}": (3, "1 to 1000 categories, not 0"),
    "JC+G99999999999999999999999{0.5}": (3, "1 to 1000 categories"),
    "JC+G4{0.5}+G4{0.5}": (11, "gamma distribution of rates is given twice"),
    "JC+I": (5, "for example +I{0.2}"),
    "JC+I{1}": (6, "less than 1, not 1"),
    "JC+I{0.1}+I{0.1}": (10, "given twice"),
    "F81+F+FQ": (6, "frequencies is given twice"),
    "JC+F{0.1,0.2,0.3,0.4}": (3, "JC69 has equal frequencies: for others use F81"),
    "K80{2}+F": (7, "use HKY85"),
    "F81+F{0.5,0.5}": (6, "+F takes the 4 frequencies of A, C, G, T, not 2"),
    "F81+F{0.5,0.5,0.5,0.5}": (6, "sum to 2, not to 1"),
    "F81+F{0,0.2,0.4,0.4}": (7, "a frequency must lie between 0 and 1, not 0"),
    "F81+FQ{0.25,0.25,0.25,0.25}": (7, "leave the braces out"),
    "HKY{2}+FO": (7, "frequencies are not estimated"),
    "HKY{2}+R4": (7, "free rates are not available"),
    "HKY{2}+XYZ": (7, "unknown part '+XYZ': known are +F, +FQ, +I, +G and +GA"),
}


@pytest.mark.parametrize("text", MEANINGS)
def test_meaning(text):
    specification = parse_model(text)
    assert specification == MEANINGS[text]
    assert parse_model(str(specification)) == specification


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(text):
    character, message = MISTAKES[text]
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        parse_model(text)
    assert f"character {character}," in str(error.value)
    assert f"{text[: character - 1]}^{text[character - 1 :]}"[:30] in str(error.value)
    assert "\n" not in str(error.value)


def test_rounded_frequencies_are_made_to_sum_to_one():
    specification = parse_model("F81+F{0.333,0.333,0.333,0.002}")
    assert sum(specification.frequencies) == pytest.approx(1, rel=1e-15)
    assert specification.frequencies[3] == pytest.approx(0.002 / 1.001)


def test_long_strings_are_shortened_around_the_mistake():
    with pytest.raises(ConfigError) as error:
        parse_model("GTR{" + "1.0000000000," * 20 + "x}")
    assert re.search(r"character 265, at the \^ in \.\.\.[0-9.,]{30}\^x} :", str(error.value))


rate = st.floats(0, 1e6)
frequency_words = st.sampled_from(["equal", "empirical"])
proportions = st.lists(st.floats(1e-3, 1), min_size=4, max_size=4).map(lambda x: tuple(y / sum(x) for y in x))
gammas = st.builds(
    GammaSpecification,
    shape=st.floats(0.001, 1e6),
    n_categories=st.integers(1, 1000),
    discretisation=st.sampled_from(["mean", "median"]),
)


@st.composite
def specifications(draw):
    name, n_rates = draw(st.sampled_from([("JC69", 0), ("K80", 1), ("F81", 0), ("HKY85", 1), ("TN93", 2), ("GTR", 5)]))
    return ModelSpecification(
        name=name,
        rates=tuple(draw(st.lists(rate, min_size=n_rates, max_size=n_rates))),
        frequencies="equal" if name in ("JC69", "K80") else draw(frequency_words | proportions),
        proportion_invariant=draw(st.none() | st.floats(0, 1, exclude_max=True)),
        gamma=draw(st.none() | gammas),
    )


@given(specifications())
def test_round_trip(specification):
    again = parse_model(str(specification))
    if not isinstance(specification.frequencies, str):
        assert again.frequencies == pytest.approx(specification.frequencies, rel=1e-15)
        specification = ModelSpecification(**{**vars(specification), "frequencies": again.frequencies})
    assert again == specification


INFERRED = {
    "JC": ModelSpecification(name="JC69", frequencies="equal"),
    "K80": ModelSpecification(name="K80", rates="inferred", frequencies="equal"),
    "f81": ModelSpecification(name="F81", frequencies="inferred"),
    "HKY+F": ModelSpecification(name="HKY85", rates="inferred", frequencies="empirical"),
    "HKY{2}": ModelSpecification(name="HKY85", rates=(2.0,), frequencies="inferred"),
    "TN+FQ+I": ModelSpecification(
        name="TN93", rates="inferred", frequencies="equal", proportion_invariant="inferred"
    ),
    "GTR+I+G": ModelSpecification(
        name="GTR", rates="inferred", frequencies="inferred", proportion_invariant="inferred",
        gamma=GammaSpecification(shape="inferred"),
    ),
    "GTR{1,2,3,4,5}+FO+GA6+I{0.1}": ModelSpecification(
        name="GTR", rates=(1.0, 2.0, 3.0, 4.0, 5.0), frequencies="inferred", proportion_invariant=0.1,
        gamma=GammaSpecification(shape="inferred", n_categories=6, discretisation="median"),
    ),
    "F81+F{0.1,0.2,0.3,0.4}+G{0.5}": ModelSpecification(
        name="F81", frequencies=(0.1, 0.2, 0.3, 0.4), gamma=GammaSpecification(shape=0.5)
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", INFERRED)
def test_what_has_no_value_is_inferred_where_that_is_wanted(text):
    specification = parse_model(text, infer=True)
    assert specification == INFERRED[text]
    assert parse_model(str(specification), infer=True) == specification
    assert specification.is_fixed == (text in ("JC", "F81+F{0.1,0.2,0.3,0.4}+G{0.5}"))
    assert specification.is_jc69 == (text == "JC")


@pytest.mark.parametrize(
    "text",
    sorted(set(MISTAKES) - {"HKY", "HKY+G4{0.5}", "TN+F", "GTR", "JC+G", "JC+G4", "JC+I", "HKY{2}+FO", "HKY{2}+R4"}),
)
def test_what_is_a_mistake_remains_one(text):
    with pytest.raises(ConfigError, match=re.escape(MISTAKES[text][1])) as error:
        parse_model(text, infer=True)
    assert f"character {MISTAKES[text][0]}," in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("JC+FO", "character 3, at the ^ in JC^+FO : JC69 has equal frequencies"),
        ("K80+FO", "to infer them use HKY85"),
        ("HKY+FO+F", "the frequencies is given twice"),
        ("HKY+I+I{0.1}", "given twice"),
    ],
)
def test_mistakes_about_what_is_inferred(text, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_model(text, infer=True)


inferred = st.just("inferred")


@st.composite
def specifications_with_unknowns(draw):
    fixed = draw(specifications())
    return ModelSpecification(
        name=fixed.name,
        rates=draw(inferred | st.just(fixed.rates)) if fixed.rates else (),
        frequencies="equal" if fixed.name in ("JC69", "K80") else draw(inferred | frequency_words),
        proportion_invariant=draw(inferred | st.just(fixed.proportion_invariant)),
        gamma=fixed.gamma and draw(st.just(fixed.gamma) | st.just(GammaSpecification(shape="inferred"))),
    )


@given(specifications_with_unknowns())
def test_round_trip_of_what_is_inferred(specification):
    assert parse_model(str(specification), infer=True) == specification


pieces = st.sampled_from(
    [
        "JC",
        "HKY",
        "GTR",
        "F81",
        "{",
        "}",
        ",",
        "+",
        "F",
        "FQ",
        "I",
        "G4",
        "GA",
        "0.5",
        "1e-3",
        " ",
        "2",
        "-",
        "é",
        "\n",
        "\0",
    ]
)


def message_about(text, infer):
    try:
        parse_model(text, infer=infer)
    except ConfigError as error:
        return str(error)
    return None


@given(st.text() | st.lists(pieces).map("".join), st.booleans())
def test_nonsense_is_met_with_one_kind_of_error(text, infer):
    message = message_about(text, infer)
    if message is not None:
        assert re.match(r"model string, character \d+, at the \^ in ", message)
        assert message.isprintable()
