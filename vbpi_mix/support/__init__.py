"""Topologies that can be sampled: candidate trees, integer-coded supports, topologies as ids."""

from vbpi_mix.support.build import build_support
from vbpi_mix.support.coverage import Coverage, coverage
from vbpi_mix.support.encode import EncodedTopologies, encode, represented
from vbpi_mix.support.features import FeatureKind, PSPIndexer
from vbpi_mix.support.files import SavedSupport, load_support
from vbpi_mix.support.iqtree import iqtree_bootstrap
from vbpi_mix.support.segments import Segments
from vbpi_mix.support.subsplit_support import SubsplitSupport
from vbpi_mix.support.veryfasttree import veryfasttree_bootstrap

__all__ = [
    "Coverage",
    "EncodedTopologies",
    "FeatureKind",
    "PSPIndexer",
    "SavedSupport",
    "Segments",
    "SubsplitSupport",
    "build_support",
    "coverage",
    "encode",
    "iqtree_bootstrap",
    "load_support",
    "represented",
    "veryfasttree_bootstrap",
]
