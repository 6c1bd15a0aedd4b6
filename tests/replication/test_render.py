"""Files of made-up records, which come out the same when they are written again."""

from tests.replication.table3.examples import made_up_table, write_records
from vbpi_mix.replication.render import render_table3
from vbpi_mix.replication.table3.rows import TABLE3_ROWS


def test_files_are_the_same_again(tmp_path):
    folder = write_records(tmp_path / "t", made_up_table(data=("DS1",), rows=TABLE3_ROWS[:1], seeds=(1,)))
    paths = render_table3(folder)
    assert [path.name for path in paths] == [
        "table3.md", "table3.csv", "table3.tex", "evidence.svg", "evidence.png", "curves.svg", "curves.png", "cost.svg",
        "cost.png",
    ]  # fmt: skip
    again = render_table3(folder, tmp_path / "new" / "other")
    for one, two in zip(paths, again, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.name
