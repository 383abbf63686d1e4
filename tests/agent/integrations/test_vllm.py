"""vLLM's scheduler as steps: against classes of its shape (0.33.0), and against vLLM itself where it is installed."""

import importlib
import tomllib
from dataclasses import dataclass, field

import pytest

from agent.integrations import vllm as plugin
from agent.integrations.vllm import Watch, extend, register, step_logged
from tests.fakes.agent import HandClock
from tests.vectors import ROOT

MS = 1_000_000


@dataclass
class SamplingParams:
    extra_args: dict | None = None


@dataclass
class Request:
    """As vllm.v1.request.Request: what of it the plugin reads."""

    request_id: str
    num_prompt_tokens: int
    max_tokens: int = 2
    num_output_tokens: int = 0
    num_computed_tokens: int = 0
    finished: bool = False
    sampling_params: SamplingParams | None = field(default_factory=SamplingParams)

    def is_finished(self):
        return self.finished


@dataclass
class NewRequestData:
    req_id: str
    num_computed_tokens: int


@dataclass
class CachedRequestData:
    req_ids: list
    num_computed_tokens: list


@dataclass
class SchedulerOutput:
    """As vllm.v1.core.sched.output.SchedulerOutput."""

    scheduled_new_reqs: list
    scheduled_cached_reqs: CachedRequestData
    num_scheduled_tokens: dict
    finished_req_ids: set


class Scheduler:
    """A scheduler of vLLM's shape: prompts in pieces of 100, then a token a step; ``ahead`` as its AsyncScheduler."""

    def __init__(self, vllm_config, kv_cache_config=None, *, log_stats=False):
        self.vllm_config = vllm_config
        self.requests = {}
        self.known = set()
        self.finished_req_ids = set()

    def add_request(self, request):
        self.requests[request.request_id] = request

    def schedule(self, throttle_prefills=False):  # noqa: FBT002 - vLLM's signature
        new, cached, tokens = [], CachedRequestData([], []), {}
        for name, request in self.requests.items():
            if name in self.known:
                cached.req_ids.append(name)
                cached.num_computed_tokens.append(request.num_computed_tokens)
            else:
                self.known.add(name)
                new.append(NewRequestData(name, request.num_computed_tokens))
            left = request.num_prompt_tokens - request.num_computed_tokens
            tokens[name] = min(left, 100) if left > 0 else 1
            request.num_computed_tokens += tokens[name]
        finished, self.finished_req_ids = self.finished_req_ids, set()
        return SchedulerOutput(new, cached, tokens, finished)

    def update_from_output(self, scheduler_output, model_runner_output):
        for name in scheduler_output.num_scheduled_tokens:
            request = self.requests.get(name)
            if request is not None and request.num_computed_tokens >= request.num_prompt_tokens:
                request.num_output_tokens += 1
                if request.num_output_tokens >= request.max_tokens:
                    self._finish(request)
        return {}

    def finish_requests(self, request_ids, finished_status):
        for name in [request_ids] if isinstance(request_ids, str) else request_ids:
            self._finish(self.requests[name])
        return []

    def _finish(self, request):
        request.finished = True
        del self.requests[request.request_id]
        self.finished_req_ids.add(request.request_id)


class RecordedLog:
    """A log that keeps what it is told."""

    def __init__(self):
        self.told = []

    def begin(self, request_id, tenant_id=None):
        self.told.append(("begin", request_id, tenant_id))

    def step(self, t0_ns, t1_ns, parts):
        self.told.append(("step", t0_ns // MS, t1_ns // MS, *parts))

    def end(self, request_id, input_tokens=None, output_tokens=None):
        self.told.append(("end", request_id, input_tokens, output_tokens))


class Driven:
    """A scheduler that is watched, driven as vLLM's engine core does."""

    def __init__(self, tenant_arg=""):
        self.clock, self.log = HandClock(boottime_ns=0), RecordedLog()
        self.watch = Watch(self.log, self.clock, tenant_arg)
        self.scheduler = Scheduler(None)

    def add(self, name, prompt, **options):
        request = Request(name, prompt, **options)
        self.scheduler.add_request(request)
        self.watch.added(request)
        return request

    def schedule(self):
        output = self.scheduler.schedule()
        self.watch.scheduled(output)
        return output

    def compute(self, output, milliseconds=10):
        self.clock.advance(milliseconds / 1000)
        self.scheduler.update_from_output(output, None)
        self.watch.computed(output, self.clock.boottime_ns())
        self.watch.look()


def test_a_prompt_in_pieces_then_tokens_then_the_end():
    driven = Driven()
    driven.add("a", 150)
    for _ in range(3):
        driven.compute(driven.schedule())

    assert driven.log.told == [
        ("begin", "a", None),
        ("step", 0, 10, ("a", 100, 0, "prefill")),
        ("step", 10, 20, ("a", 50, 100, "prefill")),
        ("step", 20, 30, ("a", 1, 150, "decode")),
        ("end", "a", 150, 2),
    ]


def test_what_the_prefix_cache_holds_is_context_and_no_tokens():
    driven = Driven()
    driven.add("a", 150, num_computed_tokens=64)
    driven.compute(driven.schedule())

    assert driven.log.told[-1] == ("step", 0, 10, ("a", 86, 64, "prefill"))


def test_steps_that_are_scheduled_ahead_do_not_overlap_and_their_request_ends_after_the_last():
    driven = Driven()
    driven.add("a", 50, max_tokens=1)
    first = driven.schedule()
    second = driven.schedule()
    driven.compute(first)
    assert not [told for told in driven.log.told if told[0] == "end"]
    driven.compute(second)

    assert driven.log.told[1:] == [
        ("step", 0, 10, ("a", 50, 0, "prefill")),
        ("step", 10, 20, ("a", 1, 50, "decode")),
        ("end", "a", 50, 1),
    ]


def test_a_step_of_nothing_that_is_done_first_takes_no_other_away():
    driven = Driven()
    empty = driven.schedule()
    driven.add("a", 50)
    full = driven.schedule()
    driven.compute(empty)
    driven.compute(full)

    assert driven.log.told[-1] == ("step", 0, 20, ("a", 50, 0, "prefill"))


def test_a_step_of_nothing_is_none():
    driven = Driven()
    driven.compute(driven.schedule())

    assert driven.log.told == []


def test_a_request_that_was_aborted_before_its_first_step_was_never_there():
    driven = Driven()
    request = driven.add("a", 50)
    driven.scheduler.finish_requests("a", None)
    driven.watch.look()
    driven.compute(driven.schedule())

    assert request.finished
    assert driven.log.told == []


def test_a_request_that_is_aborted_while_it_runs_ends():
    driven = Driven()
    driven.add("a", 50, max_tokens=99)
    driven.compute(driven.schedule())
    driven.scheduler.finish_requests(["a"], None)
    driven.watch.look()

    assert driven.log.told[-1] == ("end", "a", 50, 1)
    assert not driven.watch._requests


def test_a_tenant_is_taken_from_the_named_argument_alone():
    for arg, expected in (("", None), ("tenant", "did:web:t.example"), ("other", None)):
        driven = Driven(arg)
        driven.add("a", 5, sampling_params=SamplingParams({"tenant": "did:web:t.example", "other": 7}))
        driven.schedule()
        assert driven.log.told == [("begin", "a", expected)]


class ModelConfig:
    model = "/models/llama"
    served_model_name = ("llama", "other")


class VllmConfig:
    model_config = ModelConfig()


def test_an_extended_scheduler_does_what_the_other_did_and_is_watched(monkeypatch):
    log = RecordedLog()
    monkeypatch.setattr(plugin, "_watch", lambda _: Watch(log, HandClock()))
    scheduler = step_logged(Scheduler)(vllm_config=VllmConfig(), log_stats=True)
    scheduler.add_request(Request("a", 50, max_tokens=9))
    scheduler.update_from_output(scheduler.schedule(throttle_prefills=True), None)
    scheduler.finish_requests("a", None)

    assert [told[0] for told in log.told] == ["begin", "step", "end"]
    assert isinstance(scheduler, Scheduler)
    assert step_logged(Scheduler) is type(scheduler)


def test_an_engine_runs_on_where_its_interface_is_another(monkeypatch, caplog):
    monkeypatch.setattr(plugin, "_watch", lambda _: Watch(RecordedLog(), HandClock()))
    scheduler = step_logged(Scheduler)(VllmConfig())
    scheduler.add_request(
        object.__new__(type("Odd", (), {"request_id": "a", "num_prompt_tokens": 5, "num_computed_tokens": 0}))
    )
    monkeypatch.setattr(Watch, "scheduled", lambda *_: 1 / 0)

    assert scheduler.schedule().num_scheduled_tokens == {"a": 5}
    assert scheduler._green_watch is None
    assert "not as expected" in caplog.text


def test_the_config_is_extended_once():
    class SchedulerConfig:
        def get_scheduler_cls(self):
            return Scheduler

    extend(SchedulerConfig)
    extend(SchedulerConfig)

    assert SchedulerConfig().get_scheduler_cls() is step_logged(Scheduler)


def test_without_a_socket_named_the_plugin_does_nothing(monkeypatch):
    monkeypatch.delenv("GREEN_STEP_LOG", raising=False)
    register()


def test_the_distribution_names_the_plugin_for_vllm():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["vllm.general_plugins"]["green_step_log"].partition(":")

    assert getattr(importlib.import_module(module), name) is register


def test_vllm_itself_has_what_the_plugin_needs(monkeypatch, tmp_path):
    pytest.importorskip("vllm", reason="vLLM is not installed: it needs a GPU's machine and some GB")
    from vllm.config.scheduler import SchedulerConfig
    from vllm.v1.core.sched.output import SchedulerOutput as Theirs
    from vllm.v1.core.sched.scheduler import Scheduler as TheirScheduler

    monkeypatch.setattr(SchedulerConfig, "get_scheduler_cls", SchedulerConfig.get_scheduler_cls)
    monkeypatch.setenv("GREEN_STEP_LOG", str(tmp_path / "s"))
    register()

    assert SchedulerConfig.get_scheduler_cls.is_step_logged
    assert issubclass(step_logged(TheirScheduler), TheirScheduler)
    output = Theirs.make_empty()
    for name in SchedulerOutput.__dataclass_fields__:
        assert hasattr(output, name)
    for name in ("add_request", "schedule", "update_from_output", "finish_requests"):
        assert callable(getattr(TheirScheduler, name))
