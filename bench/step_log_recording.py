"""A step log as a daemon gets it, with the counter beside it, recorded from the simulation. It is synthetic.

    python -m bench.step_log_recording > tests/vectors/step_log/synthetic.jsonl

A line each: first what it is, then ``[t, mJ]``, a reading of the counter, or ``[t, {…}]``, what the engine said, at t
ns of CLOCK_BOOTTIME; at the end what each request truly used, in J.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from agent.windows.engine import PERIOD_S
from agent.windows.engine_protocol import Begin, End, StepLine, Steps, message_line
from bench.attribution import DELAY_NS, Counter
from bench.engine_simulation import NS, Asked, simulate

CONCURRENT, SECONDS, SEED = 6, 4.0, 5


def lines() -> Iterator[str]:
    ran = simulate(CONCURRENT, SECONDS, SEED)
    counter = Counter(ran, SEED)
    numbers = {one.name: number for number, one in enumerate(ran.requests)}

    def begun(one: Asked) -> bytes:
        return message_line(Begin(r=numbers[one.name], id=one.name, model="llama-3.1-70b", t=one.begun_ns))

    events: list[tuple[int, int, bytes | None]] = [(one.begun_ns, 0, begun(one)) for one in ran.requests]
    for step in ran.steps:
        parts = [
            (numbers[name], part.tokens, part.context, 1 if part.phase == "decode" else 0)
            for name, part in step.requests.items()
        ]
        told = message_line(Steps(s=[StepLine(step.t0_ns, step.t1_ns, parts)]))
        events.append((step.t1_ns + DELAY_NS, 1, told))
    for one in ran.finished:
        ended = End(r=numbers[one.name], input=one.prompt, output=one.made, t=one.ended_ns)
        events.append((one.ended_ns + DELAY_NS, 2, message_line(ended)))
    at_ns = counter.now_ns
    while at_ns < ran.steps[-1].t1_ns + NS:
        events.append((at_ns, 3, None))
        at_ns += int(PERIOD_S * NS) + 1_234_567
    yield _text({"synthetic": True, "made_by": "python -m bench.step_log_recording", "concurrent": CONCURRENT})
    for at_ns, _, told in sorted(events, key=lambda one: one[:2]):
        counter.now_ns = at_ns
        yield _text([at_ns, counter.read().energy_mj if told is None else json.loads(told)])
    yield _text({"true_j": {one.name: round(one.true_j, 3) for one in ran.finished}})


def _text(line: object) -> str:
    return json.dumps(line, separators=(",", ":"))


if __name__ == "__main__":
    for line in lines():
        print(line)
