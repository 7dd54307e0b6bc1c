"""Figures as a table in markdown."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmark import farm
from benchmark.works import Memory, Work

BEGIN = "<!-- made by scripts/bench --write-readme: begin -->"
END = "<!-- made by scripts/bench --write-readme: end -->"
SPELLINGS = {"haproxy": "HAProxy", "caddy": "Caddy"}

Figures = Mapping[tuple[str, str], Sequence[float]]
"""(work, peer) -> what each round measured: nanoseconds, or bytes of memory, a unit."""


def table(works: Sequence[Work | Memory], versions: Mapping[str, str], figures: Figures, how: str) -> str:
    """Medians over the rounds, and greenlb's ratio to HAProxy where both were measured."""
    peers = list(versions)
    compared = {"greenlb", "haproxy"} <= set(peers)
    heads = ["CPU time or memory of the proxy for one"]
    heads += [f"{SPELLINGS.get(peer, peer)} {versions[peer]}" for peer in peers]
    heads += ["greenlb / HAProxy"] * compared
    lines = [_row(heads), _row(["---", *["---:"] * (len(heads) - 1)])]
    for work in works:
        values = [figures.get((work.name, peer), ()) for peer in peers]
        cells = [work.title, *(_figure(work, value) for value in values)]
        if compared:
            cells.append(_ratio(figures, work))
        lines.append(_row(cells))
    day = datetime.now(UTC).date().isoformat()
    lines += ["", f"{day}, {_processor()}, Linux {platform.release().partition('-')[0]}; {how}."]
    return "\n".join(lines)


def farm_table(figures: farm.Figures, versions: Mapping[str, str], how: str) -> str:
    """What the process model costs, in medians, and what kept two workers from being twice one."""
    programs = [name for name in versions if any(name == program for _, program in figures)]
    heads = ["In several processes (HAProxy: threads)"]
    heads += [f"{SPELLINGS.get(name, name)} {versions[name]}" for name in programs]
    lines = [_row(heads), _row(["---", *["---:"] * len(programs)])]
    for key, (title, form, factor) in farm.ROWS.items():
        values = [figures.get((key, name)) for name in programs]
        if any(values):
            lines.append(_row([title, *(form.format(median(v) * factor) if v else "-" for v in values)]))
    lines += ["", f"Proxy, load and origin on {_cores(len(farm.CORES))}; {how}."]
    lines += [_scaling(figures, name) for name in programs if ("rate-1", name) in figures]
    return "\n".join(lines)


def _scaling(figures: farm.Figures, name: str) -> str:
    def ratio(what: str) -> float:
        return median(figures[f"{what}-{farm.WORKERS}", name]) / median(figures[f"{what}-1", name])

    cores, busy = len(farm.CORES), median(figures[f"busy-{farm.WORKERS}", name])
    text = (
        f"{SPELLINGS.get(name, name)}: {farm.WORKERS} carry {ratio('rate'):.2f} times the requests of 1, at "
        f"{ratio('cost'):.2f} times the CPU time for each"
    )
    if busy > 0.85 * cores:
        # What all three spend on a request is then the bound, however many workers there are.
        most = cores / (median(figures["busy-1", name]) / median(figures["rate-1", name]))
        return (
            f"{text}.  The machine is the limit: {busy:.2f} of its {_cores(cores)} are at work, and no more "
            f"than {most / median(figures['rate-1', name]):.2f} times the requests of 1 fit into them."
        )
    own = median(figures[f"rate-{farm.WORKERS}", name]) * median(figures[f"cost-{farm.WORKERS}", name]) / 1e9
    if own < 0.85 * min(farm.WORKERS, cores):
        return (
            f"{text}.  They had {own:.2f} cores: other work on this machine took the rest, so only the CPU "
            "time means something."
        )
    return f"{text}."


def _cores(count: int) -> str:
    return f"{count} core{'s' * (count != 1)}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(work: Work | Memory, values: Sequence[float]) -> str:
    if not values:
        return "-"
    value = median(values)
    if isinstance(work, Memory):
        return f"{value / 1024:.1f} KiB"
    return f"{value / 1e3:.1f} us" if value < 1e6 else f"{value / 1e6:.2f} ms"


def _ratio(figures: Figures, work: Work | Memory) -> str:
    ours, theirs = (figures.get((work.name, peer)) for peer in ("greenlb", "haproxy"))
    if not ours or not theirs or median(theirs) <= 0:
        return "-"
    return f"{median(ours) / median(theirs):.2f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def write_into(readme: Path, text: str) -> None:
    """Put a table between the two marks of a file.  Raises ValueError when it has none."""
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no place for the table between {BEGIN} and {END}")
    readme.write_text(f"{before}{begin}\n{text}\n{end}{after}")
