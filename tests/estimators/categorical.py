"""A mixture problem whose expectations are finite sums: z is one of V values."""

import itertools

import torch

from vbpi_mix.estimators import ParticleTerms


class CategoricalProblem(torch.nn.Module):
    """A categorical components over V values; the joint p(x, z) is a table."""

    def __init__(self, n_components: int, n_values: int, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.n_components = n_components
        self.n_values = n_values
        self.log_likelihood = torch.randn(n_values, generator=generator, dtype=torch.float64) * 2
        self.log_prior = torch.log_softmax(torch.randn(n_values, generator=generator, dtype=torch.float64), 0)
        self.logits = torch.nn.Parameter(torch.randn(n_components, n_values, generator=generator, dtype=torch.float64))

    @property
    def log_evidence(self):
        return torch.logsumexp(self.log_likelihood + self.log_prior, 0)

    def terms(self, plan, values) -> ParticleTerms:
        """Terms of given draws: values (S, K) int64."""
        log_q = torch.log_softmax(self.logits, dim=1)
        evaluated = log_q[plan.evaluated][:, values].permute(1, 2, 0)
        own = log_q[plan.sampled].gather(1, values)
        return ParticleTerms(
            log_likelihood=self.log_likelihood[values],
            log_prior=self.log_prior[values],
            log_q=evaluated,
            log_q_score=own,
        )

    def draw(self, plan, n_particles, generator, batch=None) -> ParticleTerms:  # noqa: ARG002
        probabilities = torch.softmax(self.logits.detach(), dim=1)[plan.sampled]
        return self.terms(plan, torch.multinomial(probabilities, n_particles, True, generator=generator))

    def all_draws(self, n_sampled: int, n_particles: int):
        """Every (S, K) table of values."""
        for flat in itertools.product(range(self.n_values), repeat=n_sampled * n_particles):
            yield torch.tensor(flat).reshape(n_sampled, n_particles)

    def probability(self, plan, values):
        """Probability of drawing the (S, K) values, differentiable."""
        return torch.log_softmax(self.logits, dim=1)[plan.sampled].gather(1, values).sum().exp()
