"""Options of a locus, and the list of loci."""

import csv
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from vbpi_mix.errors import ConfigError, InputError

Depth = Literal["auto", "topologies", "fit", "anneal"]
_FORMAT = 1  # of results; another number makes all of them anew
_SKIPPED = (".tmp", ".log", ".tsv", ".md", ".toml", ".json", ".html", ".npz", ".pt")


@dataclass(frozen=True, kw_only=True)
class LocusOptions:
    """Options of one locus.

    Arguments:
        model: Substitution model; parameters without a value in it are inferred.
        branch_prior: Prior of branch lengths, see `model.parse_branch_prior`.
        branch_prior_rate: Rate of the exponential prior of branch lengths, per expected substitution per site.
        priors: Priors of the model's parameters, as in `model.parse_priors`, with semicolons between them.
        depth: "topologies": short chains; "anneal": these, then groups of annealed particles for the marginal
            likelihood; "fit": the default recipe of `vbpi-mix fit`; "auto": short chains, and the recipe where they do
            not agree.
        agreement: Largest difference of a split's frequency between two groups of chains at which short chains end.
        trees: Number of trees with branch lengths that are kept.
        seed: Seed of all draws.

    Raises:
        ConfigError: an unknown depth, or a number out of range.
    """

    model: str = "GTR+G4"
    branch_prior: str = "exponential"
    branch_prior_rate: float = 10.0
    priors: str = ""
    depth: Depth = "auto"
    agreement: float = 0.1
    trees: int = 300
    seed: int = 1

    def __post_init__(self) -> None:
        if self.depth not in get_args(Depth):
            raise ConfigError(f"unknown depth '{self.depth}': choose one of {', '.join(get_args(Depth))}")
        if self.trees < 1 or self.seed < 0 or not self.branch_prior_rate > 0 or not 0 < self.agreement < 1:
            raise ConfigError(
                f"a number is out of range: trees {self.trees} (at least 1), seed {self.seed} (not negative), branch "
                f"prior rate {self.branch_prior_rate:g} (positive), agreement {self.agreement:g} (between 0 and 1)"
            )

    @property
    def prior_list(self) -> tuple[str, ...]:
        """The priors one by one."""
        return tuple(p.strip() for p in self.priors.split(";") if p.strip())

    def with_texts(self, values: Mapping[str, str], where: str) -> "LocusOptions":
        """Other options, given as texts; empty ones are not given.

        Raises:
            ConfigError: an unknown name, or a text that is no such value; `where` is named.
        """
        known: dict[str, Any] = {f.name: f.type for f in fields(self)}
        given: dict[str, Any] = {}
        for name, text in values.items():
            if name not in known:
                raise ConfigError(f"{where}: unknown option '{name}': choose among {', '.join(known)}")
            if text == "":
                continue
            try:
                given[name] = known[name](text) if known[name] in (int, float) else text
            except ValueError:
                raise ConfigError(f"{where}: '{text}' is no value of {name}") from None
        try:
            return replace(self, **given)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class Locus:
    """One alignment.

    Arguments:
        name: Unique in the batch; the path below the folder, or as listed, without what names the format.
        path: The file.
        options: Options of the analysis.
    """

    name: str
    path: Path
    options: LocusOptions

    def key(self) -> str:
        """Hash of the file's content and the options: a result with the same key need not be made again.

        Raises:
            InputError: the file cannot be read.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from error
        digest = hashlib.sha256(content)
        digest.update(json.dumps([_FORMAT, asdict(self.options)], sort_keys=True).encode())
        return digest.hexdigest()[:16]

    def result_path(self, output: Path) -> Path:
        """The result below a batch's folder, in one of 256 subfolders."""
        return output / "loci" / self._folder / f"{self._file}.npz"

    def run_path(self, output: Path) -> Path:
        """The folder of a whole fit below a batch's folder."""
        return output / "runs" / self._folder / self._file

    @property
    def _folder(self) -> str:
        return hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).hexdigest()[:2]

    @property
    def _file(self) -> str:
        plain = "".join(c if c.isalnum() or c in "-._" else "_" for c in self.name)
        if plain == self.name and len(plain) <= 100:
            return plain
        digest = hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return f"{plain[:100]}-{digest}"  # names that differ in other signs stay apart


def find_loci(source: Path, options: LocusOptions) -> list[Locus]:
    """The loci of a folder, of a list of files, or of a table with options.

    A folder: all of its files, subfolders included, in the order of their names, but for hidden ones and such as are
    no alignments by their ending (.log, .tsv, .json and the like). A list: one path a line, relative to the list; lines
    that begin with # are passed over. A table: a list with tabs, whose heading begins with `alignment` and names
    options; an empty cell leaves the option as it is. A column `name` names loci.

    Raises:
        InputError: nothing there, no loci, or two of one name.
        ConfigError: an unknown option, or a value that is none.
    """
    if source.is_dir():
        paths = sorted(p for p in source.rglob("*") if p.is_file() and _may_be_alignment(p.relative_to(source)))
        found = [Locus(name=_name(p.relative_to(source)), path=p, options=options) for p in paths]
        found = _with_whole_names(found, source)
    else:
        try:
            text = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{source} is no folder and cannot be read as a list of alignments: {error}") from None
        found = list(_listed(text, source, options))
    if not found:
        raise InputError(f"{source}: there are no alignments")
    seen: set[str] = set()
    for locus in found:
        if locus.name in seen:
            raise InputError(f"{source}: two loci are named '{locus.name}'; names must differ")
        seen.add(locus.name)
    return found


def shard_of(loci: list[Locus], text: str) -> list[Locus]:
    """Every n-th locus from the i-th on, by "i/n" with i from 1.

    Raises:
        ConfigError: another text.
    """
    first, _, number = text.partition("/")
    if not (first.isdecimal() and number.isdecimal() and 1 <= int(first) <= int(number)):
        raise ConfigError(f"--shard {text}: give i/n with 1 <= i <= n, such as 3/8")
    return loci[int(first) - 1 :: int(number)]


def _may_be_alignment(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.parts) and path.suffix.lower() not in _SKIPPED


def _name(path: Path) -> str:
    """A path without the ending, and without .gz before that."""
    whole = path.as_posix()
    whole = whole[:-3] if whole.lower().endswith(".gz") else whole
    stem, dot, ending = whole.rpartition(".")
    return stem if dot and stem and "/" not in ending and not stem.endswith("/") else whole


def _with_whole_names(loci: list[Locus], source: Path) -> list[Locus]:
    """Names with their endings where names without are not unique."""
    counts: dict[str, int] = {}
    for locus in loci:
        counts[locus.name] = counts.get(locus.name, 0) + 1
    return [
        locus if counts[locus.name] == 1 else replace(locus, name=locus.path.relative_to(source).as_posix())
        for locus in loci
    ]


def _listed(text: str, source: Path, options: LocusOptions) -> Iterator[Locus]:
    lines = text.splitlines()
    if lines and lines[0].split("\t")[0].strip() == "alignment":
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        for number, row in enumerate(csv.DictReader(lines, delimiter="\t"), start=2):
            if None in row or None in row.values():
                raise InputError(f"{source}, line {number}: more or fewer cells than the heading has")
            values = {str(k).strip(): str(v).strip() for k, v in row.items()}
            path, name = values.pop("alignment"), values.pop("name", "")
            chosen = options.with_texts(values, f"{source}, line {number}")
            yield Locus(name=name or _name(Path(path)), path=source.parent / path, options=chosen)
        return
    for line in lines:
        path = line.strip()
        if path and not path.startswith("#"):
            yield Locus(name=_name(Path(path)), path=source.parent / path, options=options)
