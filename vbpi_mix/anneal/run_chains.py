"""Chains run on until they agree, or until it is clear that they will not."""

from collections.abc import Callable
from dataclasses import dataclass

from vbpi_mix.anneal.convergence import Convergence
from vbpi_mix.anneal.sampler import Chains, ChainSample
from vbpi_mix.clock import time_is_up

_LOOK_EVERY = 25  # rounds


@dataclass(frozen=True, kw_only=True)
class Look:
    """Progress report of running chains.

    Arguments:
        n_rounds: done.
        convergence: agreement of the chains so far.
        mean_log_joint: mean log joint density of the last rounds.
    """

    n_rounds: int
    convergence: Convergence
    mean_log_joint: float


def run_chains(
    chains: Chains,
    *,
    until: float | None = None,
    report: Callable[[Look], None] | None = None,
    heating: Callable[[], None] | None = None,
    after_round: Callable[[], None] | None = None,
) -> ChainSample:
    """Run chains until they agree, or rounds or time are up; those that are stuck in modes of their own are heated.

    They also end where that does not help.

    Arguments:
        chains: begun.
        until: `time.perf_counter()` at which to end.
        report: called between rounds.
        heating: called when chains get heated companions.
        after_round: called after every round; may save the chains (`saved`), which go on by another call then.
    """
    settings = chains.settings

    def stop() -> bool:
        if after_round is not None:
            after_round()
        return time_is_up(until)

    while True:
        chains.run(min(max(_LOOK_EVERY, chains.n_rounds // 10), chains.next_look - chains.n_rounds), stop=stop)
        over = time_is_up(until) or chains.n_rounds >= settings.most
        if report is None and chains.n_rounds < chains.next_look and not over:
            continue
        found = chains.sample()
        if report is not None:
            report(
                Look(
                    n_rounds=chains.n_rounds,
                    convergence=found.convergence,
                    mean_log_joint=float(found.log_joint[-len(chains.particles) :].mean()),
                )
            )
        if over or (chains.n_rounds >= chains.next_look and found.converged):
            return found
        if chains.n_rounds >= chains.next_look:
            if found.waiting:
                chains.hurry_parameters()
            if chains.were_stuck and found.stuck:  # at two looks
                if chains.heated or chains.n_rounds + settings.patience > settings.most:
                    return found
                chains.heat()
                chains.were_stuck, chains.next_look = False, chains.n_rounds + settings.patience
                if heating is not None:
                    heating()
                continue
            chains.were_stuck = found.stuck
            again = (settings.adapting + settings.fewest) // 2
            room = chains.n_rounds + again <= settings.most
            if room and not chains.tuned_again and found.convergence.r_hat > settings.r_hat:
                chains.tune_again()  # the steps were tuned on the way to the posterior
                chains.next_look = chains.n_rounds + again
                continue
            chains.next_look = min(settings.most, max(chains.n_rounds + _LOOK_EVERY, round(1.2 * chains.n_rounds)))
