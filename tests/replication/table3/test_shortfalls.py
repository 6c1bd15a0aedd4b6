from tests.replication.table3.examples import PUBLISHED, made_up_record, made_up_table, write_records
from vbpi_mix.replication.table3.results import load_results
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, parse_rows
from vbpi_mix.replication.table3.shortfalls import shortfalls


def of(folder, records):
    (variant,) = load_results(write_records(folder, records))
    return shortfalls(variant, PUBLISHED)


def test_nothing_to_say_of_a_good_table(tmp_path):
    records = []
    for row in TABLE3_ROWS:
        for seed in (1, 2, 3):
            record = made_up_record("DS1", row, seed, nll=7108.40)
            record["result"]["evaluation"]["elbo"] = -7110.0
            records.append(record)
    assert of(tmp_path, records) == []


def test_every_kind(tmp_path):
    a2a, s2a = parse_rows(["4,4,A2A;4,1,S2A"])
    good, bad = made_up_record("DS1", a2a, nll=7108.40), made_up_record("DS1", s2a, nll=7109.05)
    good["result"]["evaluation"]["elbo"] = -7110.0
    bad["result"]["evaluation"] |= {"elbo": -7111.0, "pareto_k": 0.8}
    bad["result"]["topologies"] |= {"kl": 0.03, "tv_weighted": 0.016}
    assert of(tmp_path, [good, bad]) == [
        "DS1: -log ML above the published value by more than 0.10 nats: 4,1,S2A (+0.13)",
        "DS1: -log ML above that of A2A with the same A by more than 0.10 nats: 4,1,S2A (+0.65)",
        "DS1: ELBO(1) below the published -7110.24 of a single SBN: 4,1,S2A (-7111.00)",
        "DS1: Pareto k above 0.70, so that weights have a heavy tail and errors are too small: 4,1,S2A (0.80)",
        "DS1: KL(golden to q) above 0.02: 4,1,S2A (0.0300)",
        "DS1: TV weighted above 0.015: 4,1,S2A (0.0160)",
        "DS1: 14 of 16 rows are not trained: 1,1,A2A; 2,2,A2A; 3,3,A2A; 2,1,S2A; 3,1,S2A; 3,2,S2A; 4,2,S2A; 4,3,S2A; "
        "2,1,S2S; 3,1,S2S; 3,2,S2S; 4,1,S2S; 4,2,S2S; 4,3,S2S",
        "DS1: fewer seeds than the paper's 3: all trained rows",
    ]


def test_the_published_loss_of_one_component_a_step_is_said(tmp_path):
    lines = of(tmp_path, made_up_table(data=("DS5",), seeds=(1,)))
    assert (
        "DS5: -log ML above that of A2A with the same A by more than 0.30 nats: 3,1,S2A (+0.78); 4,1,S2A (+3.41); "
        "3,1,S2S (+0.34); 4,1,S2S (+1.16)"
    ) in lines


def test_some_rows_with_fewer_seeds(tmp_path):
    rows = TABLE3_ROWS[:2]
    records = made_up_table(data=("DS1",), rows=rows, seeds=(1, 2, 3))[:-1]
    assert of(tmp_path, records)[-1] == "DS1: fewer seeds than the paper's 3: 2,2,A2A"
