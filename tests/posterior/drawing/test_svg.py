import xml.etree.ElementTree as ET

import pytest

from vbpi_mix.posterior.drawing.svg import (
    Drawing,
    clean,
    element,
    shorten,
    text_width,
)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a & b", "\"'><x", "\x00\x0b\x1f", "é 漢字 🦎", "]]>"])
def test_any_text_is_shown_as_text(text):
    drawing = Drawing(10, 10, title=text, description=text)
    drawing.text(0, 0, text, full=f"{text} and more", fill=text)
    root = ET.fromstring(drawing.svg(css_class=text))
    shown = root.find("{http://www.w3.org/2000/svg}text")
    assert shown.text == clean(text)
    assert shown.get("fill") == clean(text)
    assert root.get("aria-label") == root[0].text == root[1].text == clean(text)
    assert shown[0].text == f"{clean(text)} and more"


def test_numbers_are_short():
    assert element("a", x=1.0, y=1.23456, z=-0.5) == '<a x="1" y="1.23" z="-0.5"/>'


def test_shortening():
    assert shorten("Homo sapiens", 12, 500) == "Homo sapiens"
    short = shorten("Hypogeophis_rostratus", 12, 80)
    assert short.endswith("…")
    assert text_width(short, 12) <= 80
    assert shorten("abc", 12, 0) == "…"
