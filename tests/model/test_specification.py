import pytest

from vbpi_mix.model import parse_model


@pytest.mark.parametrize(
    ("text", "n_categories", "fixed", "exchangeable", "jc69"),
    [
        ("JC69", 1, True, True, True),
        ("F81+FQ", 1, True, True, True),
        ("JC69+G4{0.5}", 4, True, True, False),
        ("JC69+I{0.1}", 2, True, True, False),
        ("F81", 1, False, False, False),
        ("HKY{2.0}+F{0.1,0.2,0.3,0.4}+I{0.1}+G3{0.5}", 4, True, False, False),
        ("GTR+R5", 5, False, False, False),
        ("K80{2.0}+R2{0.5,0.5,0.5,1.5}+I{0.2}", 3, True, False, False),
        ("LG+G6", 6, False, False, False),
    ],
)
def test_properties(text, n_categories, fixed, exchangeable, jc69):
    model = parse_model(text, infer=True)
    assert model.n_categories == n_categories
    assert (model.is_fixed, model.exchangeable, model.is_jc69) == (fixed, exchangeable, jc69)


@pytest.mark.parametrize(
    "text",
    [
        "JC69", "K80", "F81", "HKY+I+G4", "TN93+FQ+GA8{0.3}", "GTR{1.0,2.0,3.0,4.0,5.0}+F{0.1,0.2,0.3,0.4}+G4",
        "TIM2+FQ+R3", "010121+FO", "GTR+R2{0.5,0.5,0.5,1.5}", "LG+F+I{0.1}", "Poisson", "MK+ASC", "WAG+FO+G4{1.0}+ASC",
    ],
)  # fmt: skip
def test_its_text_is_read_as_the_same_model(text):
    model = parse_model(text, infer=True)
    assert parse_model(str(model), infer=True) == model
