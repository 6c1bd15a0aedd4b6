"""Drawings as SVG text, small enough to stand inside a page: text stays text, nothing is fetched."""

import re
import unicodedata
from dataclasses import dataclass, field
from html import escape

from vbpi_mix.posterior.drawing.palette import BRANCH, INK

FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"

# widths of DejaVu Sans, the widest of the common fonts, in steps
_NARROW = frozenset("fijlrtI.,;:|!'`()[]{}/\\- ")
_MIDDLE = frozenset("ABCDEFGHKLNOPQRSTUVXYZ#$&~")
_WIDE = frozenset("mwMW@%+<>=…")
_NOT_IN_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")


def clean(text: str) -> str:
    """Text without the characters that XML cannot hold (they become U+FFFD)."""
    return _NOT_IN_XML.sub("\ufffd", text)


def text_width(text: str, size: float) -> float:
    """About how wide a text is in a sans-serif font of this size, rather too wide than too narrow."""

    def width(c: str) -> float:
        if unicodedata.east_asian_width(c) in "WF":
            return 1.05
        return 0.4 if c in _NARROW else 0.98 if c in _WIDE else 0.77 if c in _MIDDLE else 0.635

    return size * sum(map(width, text))


def shorten(text: str, size: float, most: float) -> str:
    """The text, or as much of its beginning as is not wider than `most`, with an ellipsis."""
    if text_width(text, size) <= most:
        return text
    while text and text_width(text + "…", size) > most:
        text = text[:-1]
    return text + "…"


def element(tag: str, content: str = "", **attributes: str | float) -> str:
    """An element; attribute names get hyphens for underscores, values are escaped, `content` is markup already."""
    written = "".join(f' {name.rstrip("_").replace("_", "-")}="{_value(v)}"' for name, v in attributes.items())
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


@dataclass
class Drawing:
    """Elements on a canvas.

    Arguments:
        width, height: of the canvas in user units, about pixels.
        title: description of the picture, for those who do not see it.
        description: description of what it shows, for the same readers.
        parts: elements of the figure as markup.
    """

    width: float
    height: float
    title: str
    description: str = ""
    parts: list[str] = field(default_factory=list)

    def add(self, tag: str, content: str = "", **attributes: str | float) -> None:
        """Add an element, see `element`."""
        self.parts.append(element(tag, content, **attributes))

    def line(self, x1: float, y1: float, x2: float, y2: float, **attributes: str | float) -> None:
        """Add a line, dark and one unit wide if not said otherwise."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, **{"stroke": BRANCH, "stroke_width": 1, **attributes})

    def text(self, x: float, y: float, text: str, *, full: str = "", **attributes: str | float) -> None:
        """Add text, whatever it holds; `full` is its long form where `text` is shortened."""
        content = escape(clean(text)) + (element("title", escape(clean(full))) if full and full != text else "")
        self.add("text", content, x=x, y=y, **{"font_size": 12, "fill": INK, **attributes})

    def svg(self, *, css_class: str = "") -> str:
        """The drawing as an element for a page, or, with its own namespace and font, as the content of a file."""
        head = element("title", escape(clean(self.title)))
        if self.description:
            head += element("desc", escape(clean(self.description)))
        attributes: dict[str, str | float] = {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_value(self.width)} {_value(self.height)}",
            "width": self.width,
            "height": self.height,
            "role": "img",
            "aria_label": self.title,
            "font_family": FONT,
        }
        if css_class:
            attributes["class_"] = css_class
        return element("svg", head + "\n".join(self.parts), **attributes)


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return escape(clean(value), quote=True)
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else str(int(value))
