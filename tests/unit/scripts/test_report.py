"""scripts/bench's table."""

import pytest

from benchmark import farm, report
from benchmark.works import WORKS

HTTP, IDLE = (next(work for work in WORKS if work.name == name) for name in ("http", "idle-http"))
VERSIONS = {"greenlb": "1.0", "haproxy": "2.6.12"}
FIGURES = {
    ("http", "greenlb"): [40_000.0, 50_000.0, 42_000.0],
    ("http", "haproxy"): [20_000.0, 21_000.0, 90_000.0],
    ("idle-http", "greenlb"): [5 * 1024.0],
}


def rows(*works, versions=VERSIONS):
    return report.table(works, versions, FIGURES, "how").splitlines()


def test_medians_and_their_ratio():
    assert rows(HTTP)[2] == "| GET 1 KiB, keep-alive, http | 42.0 us | 21.0 us | 2.00 |"


def test_memory_is_in_kib_and_what_was_not_measured_is_a_dash():
    assert rows(IDLE)[2] == "| idle kept-alive connection, http | 5.0 KiB | - | - |"


def test_no_ratio_without_haproxy():
    assert rows(HTTP, versions={"greenlb": "1.0"})[2].endswith("| 42.0 us |")


def farm_lines(monkeypatch, cores, rates, costs, busy):
    monkeypatch.setattr(farm, "CORES", list(range(cores)))
    figures = {("start", "greenlb"): [0.4, 0.5, 0.45], ("memory", "greenlb"): [3 * 2.0**20]}
    for number in (1, 2):
        for key, values in (("rate", rates), ("cost", costs), ("busy", busy)):
            figures[f"{key}-{number}", "greenlb"] = [values[number - 1]]
    return report.farm_table(figures, {"greenlb": "1.0", "nginx": "1"}, "how").splitlines()


def test_the_farm_s_rows_in_their_units(monkeypatch):
    lines = farm_lines(monkeypatch, 8, (10_000.0, 19_000.0), (90_000.0, 90_000.0), (1.1, 2.1))
    assert lines[0] == "| In several processes (HAProxy: threads) | greenlb 1.0 |"
    assert "| requests a second, 2 workers | 19,000 |" in lines
    assert "| CPU time for a request, 1 worker | 90.0 us |" in lines
    assert "| from the start to the first answer | 450 ms |" in lines
    assert "| memory at start: all, with 2 workers | 3.0 MiB |" in lines
    assert lines[-2:] == [
        "Proxy, load and origin on 8 cores; how.",
        "greenlb: 2 carry 1.90 times the requests of 1, at 1.00 times the CPU time for each.",
    ]


def test_a_machine_that_is_too_small_is_told(monkeypatch):
    """2 cores, of which 1.25 are at work for one worker's 10,000: 16,000 would fill them."""
    lines = farm_lines(monkeypatch, 2, (10_000.0, 15_000.0), (90_000.0, 95_000.0), (1.25, 1.96))
    assert lines[-1].endswith(
        "The machine is the limit: 1.96 of its 2 cores are at work, and no more than 1.60 times the requests "
        "of 1 fit into them."
    )


def test_a_machine_that_others_use_is_told(monkeypatch):
    lines = farm_lines(monkeypatch, 2, (3000.0, 3000.0), (90_000.0, 90_000.0), (0.4, 0.4))
    assert "They had 0.27 cores: other work on this machine took the rest" in lines[-1]


def test_the_table_goes_between_the_marks(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write_into(readme, "| new |")
    report.write_into(readme, "| newer |")
    assert readme.read_text() == f"before\n{report.BEGIN}\n| newer |\n{report.END}\nafter\n"


def test_a_file_without_marks_is_left_alone(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("nothing")
    with pytest.raises(ValueError, match="no place for the table"):
        report.write_into(readme, "x")
    assert readme.read_text() == "nothing"
