"""What came out: a table by module, what the survivors are, and the same as JSON."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from .judge import Finder, Verdict
from .mutants import Mutant
from .survivors import HARMLESS, Survivor, entry_of
from .workshop import Seen


def line(verdict: Verdict) -> str:
    """One verdict, as soon as it is known."""
    mutant, seen = verdict.mutant, verdict.seen
    what = f"{mutant.id} {mutant.module}:{mutant.line} {mutant.edit.operator}"
    if seen is None:
        return f"{what}: SURVIVES {verdict.tried} seeds and the unit tests"
    by = f"seed {seen.by} (its {verdict.tried}.)"
    by = by if verdict.finder is Finder.SIMULATION else seen.by
    return f"{what}: {by}: {_head(seen)}"


def _head(seen: Seen) -> str:
    return seen.error.partition("\n")[0][:100]


def text(verdicts: Sequence[Verdict], entries: list[Survivor]) -> str:
    """The table, and each survivor with what is known of it."""
    by_module: defaultdict[str, Counter[Finder]] = defaultdict(Counter)
    for verdict in verdicts:
        by_module[verdict.mutant.module][verdict.finder] += 1
    heads = f"{'module':<26}{'mutants':>8}{'simulation':>12}{'unit only':>12}{'survive':>9}"
    rows = [_row(module, found) for module, found in sorted(by_module.items())]
    total = sum(by_module.values(), Counter[Finder]())
    parts = [heads, *rows, _row("all", total), "", *_rates(verdicts, total, entries)]
    for verdict in verdicts:
        if verdict.finder is Finder.NOTHING:
            parts += ["", *_survivor(verdict, entries)]
    alarms = {alarm.by: alarm for verdict in verdicts for alarm in verdict.false_alarms}
    if alarms:
        parts += ["", "These fail without any mutant, too:"]
        parts += [f"  {alarm.by}: {_head(alarm)}" for alarm in alarms.values()]
    return "\n".join(parts)


def unclassified(verdicts: Sequence[Verdict], entries: list[Survivor]) -> list[Verdict]:
    """Survivors of which nobody has said what they are."""
    return [
        verdict
        for verdict in verdicts
        if verdict.finder is Finder.NOTHING and entry_of(verdict.mutant, entries) is None
    ]


def write_json(file: Path, verdicts: Sequence[Verdict], entries: list[Survivor], seed: int) -> None:
    """The same for programs."""
    rows = []
    for verdict in verdicts:
        entry = entry_of(verdict.mutant, entries)
        known = {"kind": entry.kind, "reason": entry.reason} if entry is not None else {}
        rows.append(verdict.as_json() | known)
    file.write_text(json.dumps({"seed": seed, "mutants": rows}, indent=1) + "\n")


def read_json(file: Path, mutants: Sequence[Mutant], seed: int) -> list[Verdict]:
    """What an earlier run with this seed has found out about some of these mutants."""
    if not file.is_file():
        return []
    known = json.loads(file.read_text())
    rows = {row["id"]: row for row in known["mutants"]} if known["seed"] == seed else {}
    return [Verdict.from_json(rows[each.id], each) for each in mutants if each.id in rows]


def _row(module: str, found: Counter[Finder]) -> str:
    sim, unit, none = (found[each] for each in Finder)
    return f"{module:<26}{found.total():>8}{sim:>12}{unit:>12}{none:>9}"


def _rates(
    verdicts: Sequence[Verdict], total: Counter[Finder], entries: list[Survivor]
) -> list[str]:
    kinds: Counter[str] = Counter()
    for verdict in verdicts:
        if verdict.finder is Finder.NOTHING:
            entry = entry_of(verdict.mutant, entries)
            kinds[entry.kind if entry is not None else "not classified"] += 1
    n, both = total.total(), total[Finder.SIMULATION] + total[Finder.UNIT]
    different = n - kinds["equivalent"]
    wrong = n - sum(kinds[kind] for kind in HARMLESS)
    return [
        f"the simulator finds {_percent(total[Finder.SIMULATION], n)} of all",
        f"with the unit tests {_percent(both, n)} of all, "
        f"{_percent(both, different)} of those that are not equivalent, "
        f"{_percent(both, wrong)} of those that are mistakes",
        "survivors: " + (", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())) or "none"),
    ]


def _percent(part: int, whole: int) -> str:
    return f"{part} of {whole} ({part / whole:.1%})" if whole else "none"


def _survivor(verdict: Verdict, entries: list[Survivor]) -> list[str]:
    mutant, entry = verdict.mutant, entry_of(verdict.mutant, entries)
    known = f"{entry.kind}: {entry.reason}" if entry is not None else "not classified"
    return [
        f"{mutant.id} zmr/{mutant.module}:{mutant.line} in {mutant.function or 'the module'}",
        f"  - {mutant.before}",
        f"  + {mutant.after}",
        f"  {known}",
    ]
