"""Pieces of a page: text, tables, lists of facts, figures."""

from collections.abc import Mapping
from html import escape

from vbpi_mix.posterior.drawing.svg import Drawing, clean


def text(value: str) -> str:
    """Text for a page, whatever it holds."""
    return escape(clean(value), quote=True)


def table(columns: list[tuple[str, str]], rows: list[str]) -> str:
    """A table; columns are headings with their CSS classes, rows are markup."""
    head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for name, kind in columns)
    body = "\n".join(rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>\n"


def facts(rows: list[tuple[str, str]]) -> str:
    """Names with what is to be said of them."""
    return '<dl class="facts">' + "".join(f"<dt>{text(k)}</dt><dd>{text(v)}</dd>\n" for k, v in rows) + "</dl>\n"


def both_widths(figures: Mapping[str, Drawing], name: str) -> str:
    """A drawing for wide screens and paper, and one for phones; one of them is shown."""
    return figures[name].svg(css_class="wide") + "\n" + figures[f"{name}_narrow"].svg(css_class="narrow")


def figure(drawings: str, caption: str, css_class: str = "") -> str:
    """Drawings with a caption below."""
    opening = f'<figure class="{css_class}">' if css_class else "<figure>"
    return f"{opening}\n{drawings}\n<figcaption>{text(caption)}</figcaption>\n</figure>\n"
