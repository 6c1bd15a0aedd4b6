"""Training a table: records, resume after any interruption, several processes in one folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial

import pytest

from tests.experiment.few_draws import learn_from
from tests.experiment.simulated import write_example
from vbpi_mix.errors import BackendError, ConfigError, InputError
from vbpi_mix.experiment import Run, start
from vbpi_mix.replication.locks import hold_lock
from vbpi_mix.replication.table3 import run as table3
from vbpi_mix.replication.table3.config import make_table3_config
from vbpi_mix.replication.table3.run import make_starts, run_table3, without_folders
from vbpi_mix.replication.table3.timing import operation_costs

ROWS = "1,1,A2A;2,1,S2S"
NAMES = ["example_A1_S1_a2a_seed1_default_skew", "example_A2_S1_s2s_seed1_default_skew"]


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(table3, "operation_costs", partial(operation_costs, n_blocks=3, block_seconds=0.001))


def settings_in(folder):
    """Makes settings of a table of an alignment that is written into the folder."""
    alignment, trees = write_example(folder)

    def make(**given):
        settings = {"rows": ROWS, "n_seeds": 1, "flow": "skew", "iterations": 200, "n_repeats": 3, **given}
        return make_table3_config(data=str(alignment), **{"trees": trees, **settings})

    return make


@pytest.fixture
def config(tmp_path):
    return settings_in(tmp_path)


@pytest.fixture(scope="module", params=["default", "paper"])
def undisturbed(request, tmp_path_factory):
    """A recipe, and the record of its training."""
    folder = tmp_path_factory.mktemp("undisturbed")
    settings = settings_in(folder)(rows="1,1,A2A", recipe=request.param)
    run_table3(settings, folder / "whole")
    return request.param, without_times(read(folder / "whole", settings.name(settings.jobs()[0])))


def without_times(record):
    result = record["result"]
    return {
        "config": record["config"],
        "evaluation": result["evaluation"],
        "iterations": result["iterations"],
        "bound": result["curve"]["bound"],
    }


def read(folder, name):
    return json.loads((folder / "models" / f"{name}.json").read_text())


class Signal:
    """A reporter that sends this process a signal when a stage of a name is told of."""

    def __init__(self, *words, number=signal.SIGTERM):
        self.words, self.number = words, number

    def see(self, text):
        if self.words and all(word in text for word in self.words):
            self.words = ()
            os.kill(os.getpid(), self.number)

    def message(self, text):
        self.see(text)

    def warning(self, text):
        self.see(text)

    def progress(self, stage, done, _total, _detail=""):
        self.see(f"{stage} {done}")


def test_a_record_holds_everything(config, tmp_path):
    folder = tmp_path / "new" / "table"
    outcome = run_table3(config(), folder, command="vbpi-mix bench table3 --data example.fasta")
    assert [path.stem for path in outcome.records] == NAMES
    assert (outcome.n_trained, outcome.n_taken, outcome.signal_number) == (2, 0, None)
    record = read(folder, NAMES[1])
    result = record["result"]
    assert record["config"]["sampled"] == 1
    assert result["iterations"] == 200
    seconds = result["seconds"]
    assert seconds["total"] == pytest.approx(sum(seconds[n] for n in ("candidates", "growth", "start", "training")))
    assert result["operations"]["n_q"] == 1
    assert result["start"]["account"]["n_topologies"] > 1
    assert result["start"]["made"]["packages"]
    assert result["curve"]["iteration"] == [100, 200]
    assert (result["topologies"], result["splits"]) == (None, None)
    assert (len(result["load_average"]), result["threads"] >= 1) == (2, True)
    assert result["command"].startswith("vbpi-mix bench table3")
    assert str(tmp_path) not in json.dumps(record)
    # one start for both rows
    assert [path.name for path in (folder / "starts").iterdir()] == ["example_seed1.npz"]
    starts = [read(folder, name)["result"]["start"]["made"]["time"] for name in NAMES]
    assert starts[0] == starts[1]
    # what `vbpi-mix evaluate` says of the run folder
    evaluation = Run.load(folder / "runs" / NAMES[1]).evaluate(n_repeats=3)
    assert evaluation.to_dict().items() <= result["evaluation"].items()

    again = run_table3(config(), folder)
    assert (again.n_trained, again.records) == (0, outcome.records)
    assert read(folder, NAMES[1]) == record
    # records do without the folders that they were made in
    shutil.rmtree(folder / "runs")
    shutil.rmtree(folder / "starts")
    assert run_table3(config(), folder).n_trained == 0


@pytest.mark.parametrize(
    ("words", "number"),
    [(("topologies",), signal.SIGTERM), (("training 100",), signal.SIGINT), (("evaluation 2",), signal.SIGTERM)],
)
def test_an_interruption_changes_nothing(config, tmp_path, words, number, undisturbed):
    recipe, whole = undisturbed
    settings = config(rows="1,1,A2A", recipe=recipe)
    outcome = run_table3(settings, tmp_path / "parts", reporter=Signal(*words, number=number))
    assert (outcome.signal_number, outcome.records) == (number, ())
    assert run_table3(settings, tmp_path / "parts").n_trained == 1
    assert without_times(read(tmp_path / "parts", settings.name(settings.jobs()[0]))) == whole
    assert not [path for path in (tmp_path / "parts").rglob("*") if path.suffix in (".tmp", ".partial")]


def test_a_model_that_another_process_has_is_left_to_it(config, tmp_path):
    run_table3(config(), tmp_path / "t")
    (tmp_path / "t" / "models" / f"{NAMES[0]}.json").unlink()
    with hold_lock(tmp_path / "t" / "locks" / f"{NAMES[0]}.lock"):
        outcome = run_table3(config(), tmp_path / "t")
    assert (outcome.n_trained, outcome.n_taken, len(outcome.records)) == (0, 1, 1)
    # the run folder is complete: only the measuring is done again
    assert run_table3(config(), tmp_path / "t").n_trained == 1


def test_two_processes_share_the_work(config, tmp_path):
    # so that all kernels are compiled before: in the process that compiles them they can round differently
    run_table3(config(), tmp_path / "compiled")
    alignment, trees = tmp_path / "example.fasta", tmp_path / "candidates.nwk"

    def begin(folder):
        command = [
            sys.executable, "-c", "from vbpi_mix.cli.main import main; main()", "bench", "table3",
            "--data", str(alignment), "--trees", str(trees), "--rows", ROWS, "--seeds", "1", "--flow", "skew",
            "--iterations", "200", "--repeats", "3", "-o", str(tmp_path / folder), "--threads", "1",
        ]  # fmt: skip
        return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)

    only = begin("alone")
    answer = only.communicate(timeout=300)
    assert only.returncode == 0, answer
    processes = [begin("shared") for _ in range(2)]
    answers = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    begun = b"".join(err for _, err in answers).count(b": begins")
    assert begun == 2, answers
    for name in NAMES:
        shared, alone = (without_times(read(tmp_path / folder, name)) for folder in ("shared", "alone"))
        assert shared == alone


def test_results_of_other_settings_are_refused(config, tmp_path):
    run_table3(config(rows="1,1,A2A"), tmp_path / "t")
    with pytest.raises(InputError, match=r"iterations = 200, .* 300"):
        run_table3(config(iterations=300), tmp_path / "t")
    (tmp_path / "t" / "models" / f"{NAMES[0]}.json").unlink()
    with pytest.raises(ConfigError, match=r"particles = 10, .* 5.*--label"):
        run_table3(config(settings=["particles=5"]), tmp_path / "t")
    run_table3(config(rows="1,1,A2A", settings=["particles=5"], label="k5"), tmp_path / "t")
    assert read(tmp_path / "t", f"{NAMES[0]}_k5")["config"]["particles"] == 5


def test_a_record_from_before_a_setting_existed_stays_valid(config, tmp_path):
    run_table3(config(rows="1,1,A2A"), tmp_path / "t")
    path = tmp_path / "t" / "models" / f"{NAMES[0]}.json"
    record = json.loads(path.read_text())
    for name in ("tying", "refresh_every"):
        del record["config"][name]
    path.write_text(json.dumps(record))
    assert run_table3(config(rows="1,1,A2A"), tmp_path / "t").n_trained == 0
    del record["config"]["flow"]  # not at its default here
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"flow = identity, .* skew"):
        run_table3(config(rows="1,1,A2A"), tmp_path / "t")


def test_taxa_that_differ_are_found_before_any_training(config, tmp_path, monkeypatch):
    monkeypatch.setattr(table3, "fit_folder", None)
    (tmp_path / "references").mkdir()
    path = tmp_path / "references" / "example.golden.topologies.tsv.gz"
    path.write_text("rank\tmean_prob\tnewick\n1\t1.0\t(t0,t1,(t2,(t3,(t4,t5))));\n")
    with pytest.raises(InputError, match=r"taxa .*the alignment"):
        run_table3(config(references=tmp_path / "references"), tmp_path / "t")
    path.unlink()
    (tmp_path / "candidates.nwk").write_text("(t0,t1,(t2,(t3,(t4,t5))));\n")
    with pytest.raises(InputError, match=r"taxa .*the alignment"):
        run_table3(config(), tmp_path / "t")
    assert not list((tmp_path / "t" / "runs").iterdir())


def test_command_lines_lose_their_folders():
    words = [
        "bench",
        "--data",
        "/a/b.fasta,DS1",
        "--trees=/x/y",
        "--rows",
        "4,1,S2A;A2A",
        "-o",
        "../out",
        "--set",
        "a=1/2",
    ]
    assert without_folders(words) == [
        "bench", "--data", "b.fasta,DS1", "--trees=y", "--rows", "4,1,S2A;A2A", "-o", "out", "--set", "a=2",
    ]  # fmt: skip


def test_starts_made_before_are_those_that_the_models_use(config, tmp_path):
    listening = Signal()
    said = []
    listening.message = said.append
    paths, signal_number = make_starts(config(n_seeds=2), tmp_path / "t", reporter=listening)
    assert [path.name for path in paths] == ["example_seed1.npz", "example_seed2.npz"]
    assert signal_number is None
    assert not list((tmp_path / "t").glob("models/*"))
    before = [path.read_bytes() for path in paths]
    assert make_starts(config(n_seeds=1), tmp_path / "t")[0] == paths[:1]
    run_table3(config(), tmp_path / "t", reporter=listening)
    assert any("read from example_seed1.npz" in line for line in said)
    assert [path.read_bytes() for path in paths] == before
    run_table3(config(), tmp_path / "alone")
    one, other = (read(tmp_path / folder, NAMES[1]) for folder in ("t", "alone"))
    assert without_times(one) == without_times(other)


def test_a_signal_ends_the_making_of_starts(config, tmp_path):
    reporter = Signal("topologies weighted")
    paths, signal_number = make_starts(config(n_seeds=2), tmp_path / "t", reporter=reporter)
    assert signal_number == signal.SIGTERM
    assert len(paths) < 2


def test_component_weights_are_counted_and_recorded(config, tmp_path, monkeypatch):
    learn_from(monkeypatch, n_draws=4000)
    run_table3(config(rows="2,1,S2S", settings=["learn_weights=true"], label="w"), tmp_path / "t")
    record = read(tmp_path / "t", NAMES[1] + "_w")
    found = record["result"]["component_weights"]
    assert sum(found["weights"]) == pytest.approx(1)
    run = Run.load(tmp_path / "t" / "runs" / (NAMES[1] + "_w"))
    assert run.learned.to_dict() == found
    assert record["result"]["evaluation"]["elbo"] == run.evaluate(n_particles=1000, n_repeats=3).elbo.value


FLEET = "1,1,A2A;2,1,S2A;3,2,S2S"
FLEET_NAMES = [
    f"example_{row}_seed{seed}_default_skew" for seed in (1, 2) for row in ("A1_S1_a2a", "A2_S1_s2a", "A3_S2_s2s")
]


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """Settings of six models on two starts, and their records when trained one after another."""
    folder = tmp_path_factory.mktemp("one_by_one")
    settings = settings_in(folder)(rows=FLEET, n_seeds=2)
    run_table3(settings, folder / "t")
    return settings, {name: read(folder / "t", name) for name in FLEET_NAMES}


def assert_the_same_up_to_rounding(ours, theirs):
    a, b = without_times(ours), without_times(theirs)
    assert a["config"] == b["config"]
    assert a["iterations"] == b["iterations"]
    assert a["bound"] == pytest.approx(b["bound"], abs=1e-6)
    for name in ("elbo", "lb10", "log_ml", "log_ml_std", "log_ml_pooled"):
        assert a["evaluation"][name] == pytest.approx(b["evaluation"][name], abs=1e-5), name


@pytest.mark.parametrize("size", [2, 4, 100])
def test_a_fleet_gives_the_records_of_its_models(one_by_one, tmp_path, size):
    """A fleet of two rows, one over two seeds with different starts, and all models at once."""
    settings, expected = one_by_one
    outcome = run_table3(settings, tmp_path / "t", fleet=size)
    assert sorted(path.stem for path in outcome.records) == sorted(FLEET_NAMES)
    assert outcome.n_trained == 6
    together = [min(size, 6)] * min(size, 6) + [2] * (size == 4) * 2 + [2] * 4 * (size == 2)
    records = [read(tmp_path / "t", name) for name in FLEET_NAMES]
    assert [record["result"]["trained"]["together"] for record in records] == together
    for name, record in zip(FLEET_NAMES, records, strict=True):
        assert_the_same_up_to_rounding(record, expected[name])
        assert Run.load(tmp_path / "t" / "runs" / name).iteration == 200
    assert run_table3(settings, tmp_path / "t", fleet=size).n_trained == 0


@pytest.mark.parametrize(
    ("words", "number"),
    [(("A2_S1_s2a_seed1", "training 100"), signal.SIGINT), (("A3_S2_s2s_seed2", "evaluation 2"), signal.SIGTERM)],
)
def test_a_fleet_that_was_interrupted_goes_on_bit_for_bit(one_by_one, tmp_path, words, number):
    settings, _ = one_by_one
    run_table3(settings, tmp_path / "whole", fleet=4)
    outcome = run_table3(settings, tmp_path / "parts", fleet=4, reporter=Signal(*words, number=number))
    assert outcome.signal_number == number
    assert len(outcome.records) < 6
    assert run_table3(settings, tmp_path / "parts", fleet=4).n_trained == 6 - len(outcome.records)
    for name in FLEET_NAMES:
        whole, parts = (read(tmp_path / folder, name) for folder in ("whole", "parts"))
        assert without_times(whole) == without_times(parts)


def test_a_fleet_goes_on_with_what_was_trained_alone(one_by_one, tmp_path):
    """One model has its record, another is half trained, and a third is another process's."""
    settings, expected = one_by_one
    (tmp_path / "t" / "locks").mkdir(parents=True)
    reporter = Signal("A2_S1_s2a_seed1", "training 100")
    assert len(run_table3(settings, tmp_path / "t", reporter=reporter).records) == 1
    with hold_lock(tmp_path / "t" / "locks" / f"{FLEET_NAMES[4]}.lock"):
        outcome = run_table3(settings, tmp_path / "t", fleet=6)
    assert (outcome.n_trained, outcome.n_taken, len(outcome.records)) == (4, 1, 5)
    for path in outcome.records:
        assert_the_same_up_to_rounding(read(tmp_path / "t", path.stem), expected[path.stem])


@pytest.mark.parametrize("fleet", [None, 4])
def test_topologies_are_weighed_on_the_device_once_for_each_seed(config, tmp_path, monkeypatch, fleet):
    """Where `fit --device` does it, and not again for each model."""
    asked = []
    monkeypatch.setattr(start, "start_device", lambda word, model, _: asked.append((word, model.n_taxa)))
    settings = config(n_seeds=2, iterations=20)
    assert run_table3(settings, tmp_path / "t", device="auto", fleet=fleet).n_trained == 4
    assert asked == [("auto", 6)] * 2
    assert run_table3(config(n_seeds=2, iterations=20, label="b"), tmp_path / "t", device="auto").n_trained == 4
    assert len(asked) == 2


def test_a_fleet_needs_a_model(config, tmp_path):
    with pytest.raises(ConfigError, match="at least one model, not 0"):
        run_table3(config(), tmp_path / "t", fleet=0)
    assert not (tmp_path / "t").exists()


def test_a_device_that_is_not_there_is_found_before_anything_is_written(config, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for call in (run_table3, make_starts):
        with pytest.raises(BackendError, match=r"'cuda': .* use --device cpu"):
            call(config(), tmp_path / "t", device="cuda")
    assert not (tmp_path / "t").exists()
