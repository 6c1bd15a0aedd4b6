"""Functions timed in turns."""

from vbpi_mix.replication.timing import alternating_times


def test_functions_take_turns_and_every_block_has_a_time():
    calls = []
    times = alternating_times(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, n_blocks=3, block_seconds=1e-6
    )
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}
    assert min(min(values) for values in times.values()) > 0
    turns = [name for i, name in enumerate(calls) if i == 0 or calls[i - 1] != name]
    assert turns == ["a", "b"] * 4  # once to compile and to see how long a call takes, then three blocks
