"""Everything that reads a file, as a function of its path, with the files that its fuzzing begins from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.fuzz import corpus
from tests.fuzz.corpus import TAXA


@dataclass(frozen=True)
class Reader:
    """A reader under test.

    Arguments:
        read: takes the path of a file; may raise package errors only.
        files: to begin from, by name.
    """

    read: Callable[[Path], object]
    files: dict[str, bytes]


def readers() -> dict[str, Reader]:
    """All readers by name; imported here, as the package takes a while to load."""
    from vbpi_mix.anneal.result import load_annealed
    from vbpi_mix.anneal.saved import restore_chains
    from vbpi_mix.batch.options import LocusOptions, find_loci
    from vbpi_mix.batch.result import load_result
    from vbpi_mix.batch.table import read_rows
    from vbpi_mix.experiment.config import load_config
    from vbpi_mix.experiment.folder import RunFolder, read_json
    from vbpi_mix.experiment.inputs import load_inputs
    from vbpi_mix.io.alignments import read_alignment
    from vbpi_mix.io.baliphy import scales_of_trees
    from vbpi_mix.io.constraint_files import constraint_statements, parse_constraints
    from vbpi_mix.io.files import read_text
    from vbpi_mix.io.kept_results import KeptResults
    from vbpi_mix.io.labels import TaxonLabels
    from vbpi_mix.io.newick import read_clades
    from vbpi_mix.io.parameter_tables import read_parameters
    from vbpi_mix.io.partitions import read_partitions
    from vbpi_mix.io.split_tables import is_split_table, read_splits
    from vbpi_mix.io.tree_lengths import read_one_tree, read_taxa, read_trees_with_lengths
    from vbpi_mix.io.trees import read_trees
    from vbpi_mix.model import parse_branch_prior, parse_model, parse_priors
    from vbpi_mix.replication.images.formats import read_cifar, read_csv_images, read_idx
    from vbpi_mix.replication.records import read_record
    from vbpi_mix.start.saved import load_start
    from vbpi_mix.support.files import load_support
    from vbpi_mix.support.replicates import ReplicateFile
    from vbpi_mix.train.checkpoint import load_checkpoint

    alignments = corpus.ALIGNMENTS | corpus.case_files(".fasta", ".phy", ".nex")
    trees = corpus.TREES | corpus.case_files(".trees", ".nwk", ".tre", ".treefile")
    partitions = corpus.PARTITIONS | corpus.case_files(".txt", ".nex")
    own = corpus.binaries()

    def model(path: Path) -> object:
        text = path.read_bytes().decode("latin-1")
        return parse_model(text, infer=len(text) % 2 == 0)

    def scales(path: Path) -> object:
        trees_beside = path.with_name("C1.trees")
        path.replace(path.with_name("C1.log"))
        return scales_of_trees(trees_beside, 2)

    def search(path: Path) -> object:
        kept = KeptResults(path, "x")
        return [kept.of("lengths", (np.array([number]),), lambda: (np.ones(1),)) for number in (1, 2)]

    def priors(path: Path) -> object:
        text = path.read_bytes().decode("latin-1")
        return parse_priors(text.split(";")[1:]), parse_branch_prior(text.split(";")[0], 10.0)

    def constraints(path: Path) -> object:
        return parse_constraints(constraint_statements(path), TAXA)

    chains, labels = corpus.few_chains(), TaxonLabels(TAXA)
    return {
        "alignment": Reader(read_alignment, alignments),
        "trees": Reader(lambda path: read_trees([path], TAXA), trees),
        "lengths": Reader(lambda path: read_trees_with_lengths([path], TAXA), trees),
        "one tree": Reader(lambda path: read_one_tree(path, TAXA), trees),
        "taxa": Reader(read_taxa, trees),
        "partitions": Reader(lambda path: read_partitions(path, 60), partitions),
        "parameters": Reader(lambda path: read_parameters([path]), corpus.TABLES),
        "scales": Reader(scales, corpus.TABLES),
        "splits": Reader(lambda path: is_split_table(path) and read_splits(path, TAXA), corpus.SPLITS),
        "model": Reader(model, corpus.MODELS),
        "config": Reader(load_config, corpus.CONFIG),
        "metrics": Reader(lambda path: _metrics(RunFolder(path.parent), path), corpus.METRICS),
        "json": Reader(read_json, corpus.JSON),
        "record": Reader(lambda path: read_record(path, {"seed": 1}), corpus.RECORDS),
        "replicates": Reader(lambda path: ReplicateFile(path, "x", 6), corpus.BOOTSTRAP),
        "checkpoint": Reader(lambda path: load_checkpoint(path, identity={"taxa": "x"}), own["checkpoint"]),
        "inputs": Reader(load_inputs, own["inputs"]),
        "support": Reader(load_support, own["support"]),
        "start": Reader(lambda path: load_start(path, {"seed": 1}), own["start"]),
        "search": Reader(search, own["search"]),
        "chains": Reader(lambda path: restore_chains(chains, path, "x"), own["chains"]),
        "idx": Reader(read_idx, corpus.images()),
        "cifar": Reader(read_cifar, {"cifar": bytes(3073)}),
        "annealed": Reader(load_annealed, own["annealed"]),
        "locus": Reader(load_result, own["locus"]),
        "loci": Reader(lambda path: find_loci(path, LocusOptions()), corpus.LOCI),
        "loci table": Reader(read_rows, corpus.LOCI_TABLE),
        "constraints": Reader(constraints, corpus.CONSTRAINTS),
        "clades": Reader(lambda path: read_clades(read_text(path), labels, str(path)), trees),
        "priors": Reader(priors, corpus.PRIORS),
        "csv images": Reader(read_csv_images, {"csv": b"0,1,2,3,7\n4,5,6,7,1\n"}),
    }


def _metrics(folder: object, path: Path) -> object:
    from vbpi_mix.experiment.folder import RunFolder

    path.replace(path.with_name("metrics.jsonl"))
    assert isinstance(folder, RunFolder)
    return folder.read_metrics()
