"""When chains end, with chains whose samples are written down beforehand."""

import time
from types import SimpleNamespace

import numpy as np

from vbpi_mix.anneal.run_chains import run_chains
from vbpi_mix.anneal.sampler import SamplerSettings

SETTINGS = SamplerSettings(n_chains=4, fewest=100, adapting=40, patience=200, most=1000)


class Scripted:
    """Chains that are good, or stuck, from a number of rounds on.

    Arguments:
        good: rounds from which chains agree.
        stuck: rounds from which they stay apart, until they are heated.
        r_hat: at every look.
        waiting: for the parameters, at every look.
    """

    def __init__(self, good=10**6, stuck=10**6, r_hat=1.0, waiting=False):
        self.settings, self.good, self.stuck, self.r_hat, self.waiting = SETTINGS, good, stuck, r_hat, waiting
        self.n_rounds, self.next_look = 0, SETTINGS.fewest
        self.tuned_again = self.were_stuck = self.heated = False
        self.particles = [None] * 4
        self.tuned_at, self.hurried_at, self.looks = [], [], []

    def run(self, n_rounds, stop):
        assert n_rounds > 0
        for _ in range(n_rounds):
            self.n_rounds += 1
            if stop():
                break

    def sample(self):
        self.looks.append(self.n_rounds)
        return SimpleNamespace(
            converged=self.n_rounds >= self.good,
            stuck=self.n_rounds >= self.stuck and not self.heated,
            convergence=SimpleNamespace(r_hat=self.r_hat),
            waiting=self.waiting,
            log_joint=np.arange(8.0),
        )

    def heat(self):
        self.heated = True

    def hurry_parameters(self):
        self.hurried_at.append(self.n_rounds)

    def tune_again(self):
        self.tuned_again = True
        self.tuned_at.append(self.n_rounds)


def test_chains_end_at_the_first_look_at_which_they_agree():
    chains = Scripted(good=90)
    assert run_chains(chains).converged
    assert chains.looks == [100]
    late = Scripted(good=101)
    assert run_chains(late).converged
    assert late.looks == [100, 125]


def test_chains_that_never_agree_end_with_the_rounds():
    chains = Scripted()
    assert not run_chains(chains).converged
    assert chains.n_rounds == SETTINGS.most
    assert all(b - a >= 25 for a, b in zip(chains.looks[:-2], chains.looks[1:-1], strict=True))


def test_time_that_is_up_ends_chains_after_a_round():
    chains = Scripted()
    run_chains(chains, until=time.perf_counter() - 1.0)
    assert chains.n_rounds == 1


def test_chains_stuck_at_two_looks_are_heated_once():
    told = []
    chains = Scripted(good=400, stuck=100)
    sample = run_chains(chains, heating=lambda: told.append(chains.n_rounds))
    assert told == [125]
    assert chains.looks == [100, 125, 325, 390, 468]
    assert sample.converged


def test_steps_are_tuned_again_once_where_r_hat_is_large():
    chains = Scripted(good=500, r_hat=1.2)
    run_chains(chains)
    assert chains.tuned_at == [100]
    assert chains.looks[:2] == [100, 170]
    fine = Scripted(good=500, r_hat=1.04)
    run_chains(fine)
    assert fine.tuned_at == []


def test_parameters_are_hurried_at_every_look_at_which_chains_wait_for_them():
    chains = Scripted(waiting=True, good=200)
    run_chains(chains)
    assert chains.looks == [*chains.hurried_at, 216]
    assert chains.hurried_at[0] == SETTINGS.fewest
    free = Scripted(good=200)
    run_chains(free)
    assert free.hurried_at == []


def test_a_report_comes_between_looks_and_has_the_last_round():
    chains, reports = Scripted(good=90), []
    run_chains(chains, report=reports.append)
    assert [look.n_rounds for look in reports] == [25, 50, 75, 100]
    assert reports[-1].mean_log_joint == np.mean([4, 5, 6, 7])


def test_something_is_done_after_every_round():
    chains, rounds = Scripted(good=90), []
    run_chains(chains, after_round=lambda: rounds.append(chains.n_rounds))
    assert rounds == list(range(1, 101))
