"""One verdict on a fit, for the terminal, its files, `diagnose` and the report alike."""

from collections.abc import Sequence

from vbpi_mix.evaluate.diagnostics.diagnostic import Diagnostic, worst


def verdict(diagnostics: Sequence[Diagnostic]) -> str:
    """One sentence on all diagnostics together; a poorly determined parameter is named."""
    poor = [lower(d.label) for d in diagnostics if d.level == "poor"]
    fair = [d for d in diagnostics if d.level == "fair"]
    level = worst(diagnostics)
    if level == "poor":
        return f"Do not rely on this fit before you have looked at: {listed(poor)}."
    if level == "fair":
        named = [f"{lower(d.label)} ({d.text})" if d.key == "parameters" else lower(d.label) for d in fair]
        return f"The fit can be used; less than perfect: {listed(named)}."
    return "Every diagnostic is good."


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def lower(label: str) -> str:
    """A label in the middle of a sentence."""
    return label if label[:2].isupper() or label.startswith("Pareto") else label[0].lower() + label[1:]
