"""What the rules find. A rule is one function that looks at one file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from bootstrap.scan.code.values import Call
from bootstrap.scan.masked import masked
from bootstrap.scan.model import Place, Risk
from bootstrap.scan.operators.table import Operators
from bootstrap.scan.risks import intervals, names, secrets, top_level, transfers, waiting
from bootstrap.scan.risks.base import DagFile, Found
from bootstrap.scan.risks.rules import RULES
from bootstrap.scan.risks.silence import Silence
from bootstrap.scan.sources.syntax import Parsed

FINDERS: dict[str, Callable[[DagFile], Iterator[Found]]] = {
    "AB101": top_level.looked_up,
    "AB201": waiting.fire_and_forget,
    "AB202": intervals.short_interval,
    "AB203": intervals.long_poke,
    "AB204": names.fixed_name,
    "AB205": transfers.through_the_worker,
    "AB301": secrets.secrets,
}


def risks(calls: Sequence[Call], operators: Operators, sources: Mapping[str, Parsed]) -> list[Risk]:
    """What the rules find in files, by place and code. `sources` has each file by its path relative to the scanned folder.

    Findings that a `# noqa` silences are left out.
    """
    by_file: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        by_file[call.site.file].append(call)
    found: dict[tuple[str, Place], Risk] = {}
    for name, source in sources.items():
        silence = Silence(source)
        file = DagFile(name, by_file[name], operators, source)
        for code, find in FINDERS.items():
            for each in find(file):
                if not silence.silences(code, each):
                    place = Place(name, each.line, each.by)
                    risk = Risk(code, place, masked(each.message), each.fix or RULES[code].fix)
                    found.setdefault((code, place), risk)  # a line that runs with several values is one finding
    return sorted(found.values(), key=lambda risk: (risk.place, risk.code))
