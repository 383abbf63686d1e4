"""`make bench`: print the figures as a table and write bench/results.json."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import agent_cost, attribution, intake, windows
from bench.clock import Timing
from bench.credential import Bench

RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    bench = Bench()
    read_already, whole = windows.verify_receipt()
    timings: dict[str, Timing] = {
        "bare_sign": bench.bare_sign(),
        "bare_verify": bench.bare_verify(),
        "issue": bench.issue(),
        "issue_self_verify": bench.issue_and_check(),
        "verify_proof": bench.verify_proof(),
        "verdict": bench.verdict(),
        **bench.didkit(),
        "verify_window_of_1000": windows.verify_window(),
        "verify_receipt_read_already": read_already,
        "verify_receipt": whole,
    }
    accepted = intake.records_per_second()
    daemon = agent_cost.agent_cost()
    shared = attribution.show(60.0, [1, 2, 3])
    ratios = {
        "issue_over_bare": timings["issue"].times_of(timings["bare_sign"]),
        "verify_over_bare": timings["verify_proof"].times_of(timings["bare_verify"]),
    }
    if "didkit_issue" in timings:
        ratios["issue_vs_didkit"] = timings["didkit_issue"].times_of(timings["issue"])
        ratios["verify_vs_didkit"] = timings["didkit_verify"].times_of(timings["verify_proof"])
    show(timings, ratios)
    figures = {
        "windows_of_1000_verified_per_second": timings["verify_window_of_1000"].per_second,
        "receipts_verified_per_second_read_already": read_already.per_second,
        "receipts_verified_per_second": whole.per_second,
        "records_accepted_per_second": round(accepted),
    }
    for name, value in figures.items():
        print(f"{name.replace('_', ' ')}: {value:,}")
    print(f"({intake.measured()})")
    print(f"the daemon costs {daemon.percent_of_a_core} % of a core ({agent_cost.measured(daemon)})")
    RESULTS.write_text(
        json.dumps(
            {
                "machine": {
                    "processor": platform.machine(),
                    "cores": os.cpu_count(),
                    "python": platform.python_version(),
                },
                "microseconds": {name: timing._asdict() for name, timing in timings.items()},
                **ratios,
                **figures,
                "records_accepted_measured": intake.measured(),
                "daemon_percent_of_a_core": daemon.percent_of_a_core,
                "daemon_measured": agent_cost.measured(daemon),
                "attribution_median_error_percent": shared,
            },
            indent=1,
        )
        + "\n"
    )
    print(f"written: {RESULTS}")


def show(timings: dict[str, Timing], ratios: dict[str, float]) -> None:
    table = Table("figure", "median µs", "fastest", "slowest", title="the full credential (73 quads), P-256", box=None)
    for name, timing in timings.items():
        table.add_row(name, *(f"{value:,.1f}" for value in timing))
    for name, ratio in ratios.items():
        table.add_row(name, f"{ratio:,.2f} ×", "", "")
    Console().print(table)


if __name__ == "__main__":
    main()
