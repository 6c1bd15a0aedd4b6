"""`vbpi-mix likelihood`: the log-likelihood of one tree."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "Example: vbpi-mix likelihood alignment.fasta tree.nwk --model 'HKY{2.0}+F+G4{0.5}'"


def likelihood(
    alignment: Annotated[str, typer.Argument(help="FASTA, PHYLIP or NEXUS file, also gzipped, or a data set's name.")],
    tree: Annotated[Path, typer.Argument(help="File of one tree with branch lengths, Newick or NEXUS.")],
    model: Annotated[
        str,
        typer.Option(
            help="Substitution model in IQ-TREE's notation with values in braces; `fit` infers those that have none."
        ),
    ] = "JC69",
) -> None:
    """Print the natural-log likelihood of a tree with its branch lengths, to all its digits."""
    import torch

    from vbpi_mix.errors import ConfigError, InputError
    from vbpi_mix.io.alignments import read_alignment
    from vbpi_mix.io.datasets import resolve
    from vbpi_mix.io.tree_lengths import read_one_tree
    from vbpi_mix.model import PhyloModel, parse_model, substitution_model
    from vbpi_mix.phylo import site_patterns

    data = read_alignment(resolve(alignment))
    topology, lengths = read_one_tree(tree, data.taxa)
    if lengths is None:
        raise InputError(f"{tree}: the tree has no branch lengths; the likelihood needs them")
    patterns = site_patterns(data)
    try:
        chosen = substitution_model(model, patterns)
    except ConfigError as error:
        parse_model(model, infer=True)  # other mistakes than values that are missing
        raise ConfigError(f"{error}; `vbpi-mix fit` infers what has no value") from error
    target = PhyloModel(patterns, data.n_taxa, substitution_model=chosen)
    value = target.log_likelihood(torch.from_numpy(lengths)[None], topology.batch())
    typer.echo(repr(float(value[0])))
