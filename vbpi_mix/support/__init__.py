"""Which topologies can be sampled: candidate trees, integer-coded supports, topologies as ids."""

from vbpi_mix.support.build import build_support
from vbpi_mix.support.candidates import iqtree_bootstrap, veryfasttree_bootstrap
from vbpi_mix.support.coverage import Coverage, coverage
from vbpi_mix.support.encode import EncodedTopologies, encode, represented
from vbpi_mix.support.features import FeatureKind, PSPIndexer
from vbpi_mix.support.files import SavedSupport, load_support
from vbpi_mix.support.segments import Segments
from vbpi_mix.support.subsplit_support import SubsplitSupport

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
