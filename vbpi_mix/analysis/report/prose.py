"""Sentences of a report as plain text, nothing marked up or escaped."""

from collections.abc import Sequence

from vbpi_mix.analysis.report.content import ReportContent, small_side
from vbpi_mix.analysis.verdict import listed, verdict
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.model_string import parse_model
from vbpi_mix.model.priors import ExponentialBranchPrior
from vbpi_mix.model.specification import INFERRED, FreeRates, FrequencyWord, ModelSpecification
from vbpi_mix.posterior.questions.credible import counted

HIGH = 0.95
_MODELS = {
    "JC69": "Jukes and Cantor's model (JC69): all substitutions equally frequent, equal base frequencies",
    "K80": "Kimura's two-parameter model (K80): transitions and transversions at their own rates, equal frequencies",
    "F81": "Felsenstein's 1981 model (F81): substitutions in proportion to the frequency of the base they lead to",
    "HKY85": "the model of Hasegawa, Kishino and Yano (HKY85): transitions and transversions at their own rates",
    "TN93": "Tamura and Nei's model (TN93): two rates of transitions, one of transversions",
    "GTR": "the general time-reversible model (GTR): six substitution rates",
    "Poisson": "all amino-acid replacements equally frequent (Poisson)",
    "MK": "Lewis's model of discrete characters (MK): all changes between states equally frequent",
    "GTR2": "two states with frequencies of their own",
}
_PRIORS = (
    ("r", "exchangeabilities", "exchangeabilities"),
    ("kappa", "ratio", "kappa / (1 + kappa)"),
    ("pi", "frequencies", "state frequencies"),
    ("alpha", "shape", "the gamma shape"),
    ("pinvar", "invariant", "invariant sites"),
    ("m", "multipliers", "rates of parts"),
    ("weight", "free_weights", "weights of free rates"),
    ("rate", "free_rates", "shares of free rates"),
)
CITATIONS = (
    "Hotti, A., Kviman, O., Molén, R., Elvira, V. and Lagergren, J. (2024). Efficient mixture learning in black-box "
    "variational inference. Proceedings of the 41st International Conference on Machine Learning, PMLR 235. (The "
    "estimators that train the mixture.)",
    "Zhang, C. and Matsen, F. A. (2019). Variational Bayesian phylogenetic inference. International Conference on "
    "Learning Representations. (Subsplit Bayesian networks with branch lengths as an approximate posterior.)",
    "Vehtari, A., Simpson, D., Gelman, A., Yao, Y. and Gabry, J. (2024). Pareto smoothed importance sampling. Journal "
    "of Machine Learning Research 25. (Pareto k.)",
)


def summary(content: ReportContent) -> list[str]:
    """The findings in a few paragraphs, as a biologist would write them."""
    return [_data(content), _topology(content), _trust(content)]


def evidence(content: ReportContent) -> str:
    """The marginal log-likelihood with its standard error."""
    estimate = content.diagnosis.evaluation.marginal_likelihood
    return f"{estimate.value:,.3f} ± {estimate.standard_error:.3f}".replace("-", "−")


def model_text(text: str) -> str:
    """A substitution model in words, with its parameters as given, or that they are inferred."""
    given = parse_model(text, infer=True)
    states = {"dna": "base", "protein": "amino-acid", "standard": "state"}[given.data_type]
    parts = [_MODELS.get(given.name, f"the amino-acid matrix {given.name}")]
    if given.code is not None:
        parts = [f"the general time-reversible model with equal rates by the code {given.code} (A-C, A-G, A-T, C-G, "
                 "C-T, G-T)"]  # fmt: skip
    if given.rates == INFERRED:
        parts.append("kappa inferred" if given.name in ("K80", "HKY85") else "rates inferred")
    elif given.rates:
        names = "rates " if len(given.rates) > 1 else "kappa "
        parts.append(names + ", ".join(f"{rate:g}" for rate in given.rates))
    if given.name not in ("JC69", "K80", "MK"):
        parts.append(_frequencies(given.frequencies, states))
    parts.append(_sites(given))
    return "; ".join(parts)


def models(content: ReportContent) -> list[tuple[str, str]]:
    """The substitution model, or that of each part of the alignment, as rows of a list."""
    config, parts = content.run.config, content.run.inputs.parts
    if not parts:
        return [("Substitution model", f"{config.model}: {model_text(config.model)}")]
    return [
        (f"Model of {part.name}", f"{part.model}: {model_text(part.model)} ({part.patterns.n_sites:,.0f} sites)")
        for part in parts
    ]


def model_label(content: ReportContent) -> str:
    """The model in a few words."""
    parts = content.run.inputs.parts
    return f"models of {len(parts)} parts" if parts else f"model {content.run.config.model}"


def topology_prior(content: ReportContent) -> str:
    """The prior of the topologies in words."""
    constraints = content.run.config.constraints
    if not constraints:
        return "uniform over unrooted binary topologies"
    return f"uniform over the unrooted binary topologies that satisfy {' '.join(constraints)}"


def length_prior(model: PhyloModel) -> str:
    """The prior of branch lengths in words."""
    prior = model.branch_prior
    if isinstance(prior, ExponentialBranchPrior):
        rate = prior.rate
        return f"independent, exponential with rate {rate:g} (mean {1 / rate:g} substitutions per site)"
    return (
        f"compound Dirichlet, {prior}: shape and rate of the tree length's gamma distribution, concentration of its "
        "shares, inner branches relative to the others"
    )


def parameter_priors(model: PhyloModel) -> list[tuple[str, str]]:
    """Priors of the parameters that are inferred, as rows of a list."""
    stems = {name.partition("(")[0].partition("{")[0] for name in model.parameters.names}
    given = model.priors.describe()
    return [(f"Prior of {what}", given[key]) for stem, key, what in _PRIORS if stem in stems]


def names_of(taxa: Sequence[str], most: int = 4) -> str:
    """Names in a sentence; of more than `most` + 1 the first few, and how many more."""
    if len(taxa) <= most + 1:
        return listed(taxa)
    return f"{', '.join(taxa[:most])} and {len(taxa) - most} more"


def _data(content: ReportContent) -> str:
    patterns, parts = content.run.inputs.patterns, content.run.inputs.parts
    several = len({part.patterns.data_type.name for part in parts}) > 1
    n_patterns = sum(part.patterns.n_patterns for part in parts) if several else patterns.n_patterns
    evaluation = content.diagnosis.evaluation
    if evaluation.annealing is None:
        origin = f"{evaluation.n_samples:,} trees drawn from it and weighted so that they follow the posterior"
    else:
        origin = (
            f"{evaluation.annealing.n_trees:,} equally weighted trees of chains of local moves"
            + (" from candidate topologies" if evaluation.annealing.both_sides else "")
            + f" and from {evaluation.annealing.n_groups} groups of particles annealed to the posterior"
        )
    return (
        f"The alignment {content.name} has {patterns.n_taxa} taxa and {content.run.problem.model.n_sites:,.0f} sites "
        f"({n_patterns:,} distinct columns; {content.missing_share:.1%} gaps or unknown). "
        f"Its posterior over unrooted trees was approximated by a mixture of {content.run.config.components} subsplit "
        f"Bayesian networks under {_model_name(content)}, and every number below comes from {origin}."
    )


def _topology(content: ReportContent) -> str:
    probability, error = content.topologies.probability, content.topologies.standard_error
    credible = content.certainty.credible
    supports = content.consensus.supports[content.consensus.n_taxa : -1]
    possible = content.consensus.n_taxa - 3
    high = int((supports >= HIGH).sum())
    text = (
        f"The most probable topology has posterior probability {probability[0]:.3f} ± {error[0]:.3f}; "
        f"{counted(credible)} {'topology makes' if credible.n_topologies == 1 else 'topologies make'} up 95% of the "
        "posterior. The "
        f"majority-rule consensus resolves {len(supports)} of {possible} inner branches, {high} of them with a "
        f"posterior probability of at least {HIGH}."
    )
    kept = {i for i in range(content.splits.n_splits) if content.splits.frequency[i] > 0.5}
    if kept:
        weakest = max(kept)  # splits come in the order of their frequency
        p, e = content.splits.frequency[weakest], content.splits.standard_error[weakest]
        if p < 0.995:
            text += f" The weakest of them groups {names_of(small_side(content.splits, weakest))} ({p:.2f} ± {e:.3f})."
        else:
            text += " " + _certain(content)
    rivals = [i for i in range(content.splits.n_splits) if i not in kept]
    if rivals and content.splits.frequency[rivals[0]] >= 0.05:
        p, names = content.splits.frequency[rivals[0]], names_of(small_side(content.splits, rivals[0]))
        text += f" The most probable split outside the consensus groups {names} ({p:.2f})."
    return text


def _certain(content: ReportContent) -> str:
    """Advice on a consensus without doubtful branches."""
    n_taxa, support = content.consensus.n_taxa, content.run.problem.mixture.support
    if content.diagnosis.evaluation.annealing is None and support.n_splits == 2 * n_taxa - 3:
        return "The fit knew no other topology than this one, so that these numbers cannot show any doubt."
    return "All of them are practically certain."


def _trust(content: ReportContent) -> str:
    evaluation = content.diagnosis.evaluation
    start = f"The marginal log-likelihood (natural logarithm) is {evidence(content)}. "
    if evaluation.annealing is not None:
        annealing = evaluation.annealing
        sides = "both sides" if annealing.both_sides else "two halves of the groups"
        return (
            f"{start}The trees are worth {annealing.effective_size:,.0f} independent ones; splits of {sides} "
            f"differ by {annealing.convergence.asdsf:.4f} on average (ASDSF). {verdict(content.diagnosis.diagnostics)}"
        )
    return (
        f"{start}"
        f"The weighted trees are worth {evaluation.ess:,.0f} independent ones, and the Pareto k of their weights is "
        f"{evaluation.tail.k:.2f} ({evaluation.tail.verdict}). {verdict(content.diagnosis.diagnostics)}"
    )


def _model_name(content: ReportContent) -> str:
    parts = content.run.inputs.parts
    if parts:
        return f"a substitution model for each of {len(parts)} parts of the alignment"
    return f"the substitution model {content.run.config.model} (the option --model of fit chooses another)"


def _frequencies(frequencies: FrequencyWord | tuple[float, ...], states: str) -> str:
    if frequencies == "equal":
        return f"equal {states} frequencies"
    if frequencies == "model":
        return "with its own frequencies"
    if frequencies == INFERRED:
        return f"{states} frequencies inferred"
    if frequencies == "empirical":
        return f"{states} frequencies counted in the alignment"
    return f"{states} frequencies {'A, C, G, T ' * (states == 'base')}" + ", ".join(
        f"{float(x):g}" for x in frequencies
    )


def _sites(given: ModelSpecification) -> str:
    parts = []
    invariant, gamma = given.proportion_invariant, given.gamma
    if invariant is not None:
        share = "an inferred proportion" if isinstance(invariant, str) else f"a proportion {invariant:g}"
        parts.append(f"{share} of invariant sites")
    if gamma is not None:
        shape = "inferred shape" if isinstance(gamma.shape, str) else f"shape {gamma.shape:g}"
        parts.append(f"a gamma distribution of site rates with {shape} in {gamma.n_categories} categories")
    if isinstance(given.free_rates, FreeRates):
        parts.append(f"{given.free_rates.n_categories} inferred site rates with inferred weights")
    elif given.free_rates is not None:
        parts.append(f"{len(given.free_rates)} given site rates")
    if given.ascertained:
        parts.append("corrected for the absence of sites that do not vary")
    return " and ".join(parts) if parts else "one rate for all sites"
