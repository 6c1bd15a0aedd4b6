"""Small real files of every kind that is read, as bytes."""

import gzip
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from vbpi_mix.anneal.convergence import Convergence
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.result import AnnealedPosterior
from vbpi_mix.anneal.sampler import Chains, SamplerSettings
from vbpi_mix.anneal.saved import save_chains
from vbpi_mix.batch.result import LocusResult
from vbpi_mix.io.kept_results import KeptResults
from vbpi_mix.phylo import TreeSample, collect, random_topologies
from vbpi_mix.support import build_support
from vbpi_mix.support.files import SavedSupport
from vbpi_mix.train.checkpoint import save_checkpoint

CASES = Path(__file__).resolve().parent.parent / "cases" / "files"
TAXA = tuple("ABCDEF")

ALIGNMENTS = {
    "phylip": b"6 4 I\nA  ACGT\nB  ACG-\nC  NNNT\nD  acgt\nE  AC?T\nF  ACGT\n",
    "strict": b"4 6\nHomo sapieACGTAC\nPan paniscACG-AC\nGorilla g.NNNTAC\nit's      acgtac\n",
    "paml": b"4 6 G\nG 2\n121212\na\nACGTAC\nb\nACG-AC\nc\nNNNTAC\nd\nacgtac\n",
    "interleaved": b"#NEXUS\nbegin taxa;title x;dimensions ntax=4;taxlabels a 'b c' 'it''s' d_e;end;\n"
    b"begin characters;\nlink taxa=x;dimensions nchar=6;\n"
    b"format datatype=dna interleave=yes gap=- missing=? matchchar=.;\n"
    b"matrix\na ACG\n"
    b"'b c' ..G\n'it''s' NNN\nd_e acg\n\na TAC\n'b c' -AC [x]\n'it''s' T{AG}C\nd_e tac\n;\nend;\n"
    b"begin paup;exclude 1-2\\2;delete 4;restore 4;taxset t=1-2;wtset * w=1:1-3;end;\n",
    "protein": b"4 8\nA ARNDCQEG\nB HILKMFPS\nC TWYV-X*B\nD arndZJUO\n",
    "mixed": b"#NEXUS\nbegin data;\ndimensions ntax=4 nchar=8;\n"
    b"format datatype=mixed(DNA:1-4,Protein:5-6,Standard:7-8) gap=- missing=?;\n"
    b"matrix a ACGTLW01 b ACG-LY{01}1 c AC?TVW2? d ACGTVW01;\nend;\n",
    "standard": b'#NEXUS\nbegin characters;\ndimensions nchar=4;\nformat datatype=standard symbols="0 1 2";\n'
    b"matrix a 0012 b 01{02}2 c 1(12)00 d 0?1-;\nend;\n",
    "gzip": gzip.compress(b">A\nACGT\n>B\nACGA\n>C\nACCC\n>D\nAGGG\n", mtime=0),
}
TREES = {
    "mrbayes": b"#NEXUS\n[ID: 1]\nbegin trees;\n translate\n 1 A,\n 2 B,\n 3 C,\n 4 D,\n 5 E,\n 6 F;\n"
    b"  tree gen.0 = [&U] ((1:0.1,2:0.1):0.1,(3:0.1,4:0.1):0.1,(5:1e-2,6:0.1):0.1);\n"
    b"  tree gen.1 = [&U] ((1:0.1,3:0.1):0.1,(2:0.1,4:0.1):0.1,(5:1e-2,6:0.1):0.1);\nend;\n",
    "trprobs": b"#NEXUS\nbegin trees;\n translate 1 A, 2 B, 3 C, 4 D, 5 E, 6 F;\n"
    b" tree t1 [p = 0.6, P = 0.6] = [&W 0.6] ((1,2),(3,4),(5,6));\n"
    b" tree t2 [p = 0.4, P = 1.0] = [&W 2/5] ((1,3),(2,4),(5,6));\nend;\n",
    "ufboot": b"((A:1,B:2)100:1,(C,D):1e-3,('E':1,\"F\":2));\n((A,C),(B,D),(E,F));\n" * 3,
    "weighted": b"928\t((A,B),(C,D),(E,F));\n72\t((A,C),(B,D),(E,F));\n",
    "table": b"rank\tmean_prob\tnewick\n1\t0.5\t((A,B),(C,D),(E,F));\n2\t0.5\t((A,C),(B,D),(E,F));\n",
    "paml": b"6 1\n((A:0.1,B:0.1),(C:1,D:1),(E:1,F:1))[0.25];\n",
}
PARTITIONS = {
    "codons": b"#NEXUS\nbegin sets;\ncharset one = 1-.\\3;\ncharset two = 2-.\\3;\ncharset three = 3-.\\3;\n"
    b"charpartition * p = GTR{1,2,3,4,5}+F{0.1,0.2,0.3,0.4}+G4{0.5}: one two{0.5}, HKY+FO: three;\nend;\n",
    "mrbayes": b"#NEXUS\nbegin mrbayes;\ncharset a = 1-30;\ncharset b = 31-60;\npartition p = 2: a, b;\n"
    b"set partition=p;\nlset applyto=(1) nst=6;\nunlink statefreq=(all);\nend;\n",
    "proteins": b"LG+G4, one = 1-30\nDNA, two = 31-40\nMK+ASC, three = 41-50\nAA, four = 51-60\n",
    "raxml": b"DNA, one = 1-30\\3, 2-30/3\nGTR{1/2/3/4/5/6}+FU{0.1/0.2/0.3/0.4}+G4m, two = 3-30\\3, 31-60 # x\n",
}
TABLES = {
    "p": b"[ID: 1]\nGen\tLnL\tLnPr\tTL\tkappa\n0\t-7.1e+03\t1.0\t2.0\t1.0\n100\t-6.5e+03\t1.0\t1.5\t2.0\n",
    "log": b"iter\tprior\tscale[1]\n0\t-1\t0.5\n1\t-1\t0.25\n",
}
SPLITS = {"splits": b"probability\ttaxa\n0.5\tA,B\n0.25\t'C',D\n1\tE,F\n"}
MODELS = {
    "iqtree": b"GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+I{0.2}+G4{0.5}",
    "raxml": b"TIM2{1/2/3/0.4}+FU{0.3/0.2/0.2/0.3}+IU{0.1}+R2{0.5/1.5}{0.4/0.6}",
    "protein": b"LG+FO+I+R4",
    "morphology": b"MK+ASC+G4{0.5}",
    "code": b"010230{1.5,2,0.5}+FQ+R3{0.2,0.5,0.3,1,0.5,2}",
    "tied": b"K3Pu{1.5,2}+FO{0.3,0.2,0.2,0.3}+GA8{0.5}",
}
CONFIG = {
    "config": b'alignment = "x.fasta"\ntrees = ["a.t"]\nburn_in = 0.25\nmodel = "JC69"\ncomponents = 4\n'
    b"iterations = 10\nannealing_iterations = 0\ndecay_every = 1\nrate_topology = 0.1\n"
    b"rate_base = 0.1\nrate_flow = 0.1\nseed = 1\n"
}
METRICS = {"metrics": b'{"iteration": 100, "bound": -1.5}\n{"iteration": 200, "bound": -1.25}\n'}
JSON = {"start": b'{\n  "seconds": {"start": 1.5},\n  "made": {"version": "1"}\n}\n'}
RECORDS = {"record": json.dumps({"config": {"seed": 1}, "result": {"elbo": -1.0}, "provenance": {}}).encode()}
CONSTRAINTS = {
    "newick": b"((A,B),(C,D),E,F);\nnot ((A,'C'),B,D);\n[backbone] ((A,B),(C,D));\n",
    "mrbayes": b"#NEXUS\nbegin mrbayes;\nconstraint one = A B;\nconstraint two partial = A B : C D;\n"
    b"constraint three negative = 1 3;\nconstraint four hard -1 = E F;\nend;\n",
}
PRIORS = {"priors": b"gammadir(1,0.1,1,1);shape=exponential(1);frequencies=dirichlet(1,1,1,1);invariant=uniform(0,1)"}
LOCI = {
    "table": b"alignment\tname\tmodel\tseed\na.fasta\tone\tJC69\t1\nb.phy\ttwo\t\t2\n",
    "list": b"# loci\na.fasta\nb/c.phy.gz\n",
}
LOCI_TABLE = {
    "table": b"locus\tlevel\ttaxa\tsites\ttopologies\teffective_topologies\ttop_probability\tlog_ml\tlog_ml_error\t"
    b"depth\tseconds\tcore_seconds\tkey\tverdict\terror\n"
    b"a\tgood\t6\t60\t3\t1.5\t0.9\t\t\ttopologies\t1.5\t1.4\t0123\tfine\t\nb\tfailed\t0\t0\t0\t\t\t\t\t\t0\t0\t\t\tno\n",
}
BOOTSTRAP = {"replicates": b"vbpi-mix bootstrap 1 x\n0\t((0,1),(2,3),(4,5));\t00000000\n"}


def case_files(*endings: str) -> dict[str, bytes]:
    """The files of the table of cases with these endings."""
    return {path.name: path.read_bytes() for path in sorted(CASES.iterdir()) if path.suffix in endings}


def binaries() -> dict[str, dict[str, bytes]]:
    """Files that the program writes itself: a support, the inputs of a run, the start of a fit, a checkpoint."""
    from vbpi_mix.experiment.inputs import RunInputs
    from vbpi_mix.phylo import SitePatterns
    from vbpi_mix.start import Start

    topologies = random_topologies(5, len(TAXA), np.random.default_rng(1))
    sample: TreeSample = collect(TAXA, topologies, np.ones(5))
    support = build_support(topologies)
    patterns = SitePatterns(state_sets=np.ones((6, 3), dtype=np.uint8), weights=np.ones(3))
    found = {}
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x"
        SavedSupport(support=support, sample=sample).save(path)
        found["support"] = {"npz": path.read_bytes()}
        RunInputs(taxa=TAXA, patterns=patterns, support=support).save(path)
        found["inputs"] = {"npz": path.read_bytes()}
        Start(topologies=sample, seconds={"growth": 1.0}, settings={"seed": 1}).save(path)
        found["start"] = {"npz": path.read_bytes()}
        save_checkpoint(path, {"model": {"a": torch.ones(3)}, "iteration": 3, "identity": {"taxa": "x"}})
        found["checkpoint"] = {"pt": path.read_bytes()}
        buffer = io.BytesIO()
        torch.save({"format_version": 4, "iteration": 3, "model": {"a": torch.ones(3)}}, buffer)
        found["checkpoint"]["old"] = buffer.getvalue()
        path.unlink()
        kept = KeptResults(path, "x")
        for number in (1, 2):
            kept.of("lengths", (np.array([number]),), lambda: (np.ones((2, 3)), np.array(4)))
        found["search"] = {"results": path.read_bytes()}
        chains = few_chains()
        chains.run(2)
        save_chains(chains, path, "x")
        found["chains"] = {"npz": path.read_bytes()}
        _annealed(chains.particles).save(path)
        found["annealed"] = {"npz": path.read_bytes()}
        _locus(sample).save(path)
        found["locus"] = {"npz": path.read_bytes()}
    return found


def _annealed(particles: Particles) -> AnnealedPosterior:
    return AnnealedPosterior(
        particles=particles,
        chains=np.arange(2),
        sides=np.array([0, 1]),
        log_joint=np.array([-5.0, -6.0]),
        group_log_ml=(-4.5, -4.25),
        betas=(0.0, 0.5, 1.0),
        n_particles=8,
        n_ancestors=(3, 4),
        convergence=Convergence(asdsf=0.01, largest=0.1, n_splits=2),
        converged=True,
    )


def _locus(sample: TreeSample) -> LocusResult:
    return LocusResult(
        name="a",
        key="0123",
        taxa=sample.taxa,
        topologies=sample.topologies,
        probabilities=sample.weights,
        tree_topology=np.array([0, 1, 0]),
        branch_lengths=np.full((3, 9), 0.1, dtype=np.float32),
        parameters=np.ones((3, 1), dtype=np.float32),
        parameter_names=("kappa",),
        n_sites=60,
        depth="topologies",
        level="good",
        verdict="fine",
    )


def few_chains() -> Chains:
    """Two chains on five taxa."""
    from vbpi_mix.anneal.chains import Walker
    from vbpi_mix.model import PhyloModel
    from vbpi_mix.phylo import SitePatterns

    sets = np.array([[1, 1], [1, 2], [2, 4], [2, 8], [15, 8]], dtype=np.uint8)
    model = PhyloModel(SitePatterns(state_sets=sets, weights=np.ones(2)), 5)
    starts = Particles(
        topologies=random_topologies(2, 5, np.random.default_rng(1)),
        log_lengths=np.full((2, 7), -2.5),
        coordinates=np.zeros((2, 0)),
        log_likelihood=np.zeros(2),
    )
    settings = SamplerSettings(n_chains=2, fewest=1)
    return Chains(Walker(model), starts, seed=np.random.SeedSequence(1), settings=settings, climb=False)


def images() -> dict[str, bytes]:
    """IDX files, packed and not."""
    idx = b"\0\0\x08\x03" + (2).to_bytes(4, "big") * 3 + bytes(range(8))
    return {"idx": idx, "packed": gzip.compress(idx, mtime=0)}
