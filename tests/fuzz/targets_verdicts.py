"""Targets of ``verifier``: documents, verdicts, evidence, policy and settings.

A verdict raises nothing, whatever the document holds; and nothing that was edited after it was signed is verified.
"""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

import msgspec

from contexts import green_compute
from schemas import digests, strict_json
from schemas.strict_json import JsonObject
from tests.fakes.verifier import ENGINE, EXPECTED, NOW, fetched, presentation, put
from tests.fuzz.target import target, text_of
from tests.fuzz.targets_formats import WORLD, credentials, documents
from verifier import addresses, document, folder
from verifier.case import Engines
from verifier.evidence import Evidence
from verifier.policy import Policy, read_policy
from verifier.rdf.canonicalize import InProcess, Limits
from verifier.rdf.context import Profile, check_contexts
from verifier.report import Outcome, Report
from verifier.settings import environment_of, read_settings
from verifier.verify import refused_at_gate, verify_credential, verify_presentation

# What the service's workers allow, in this process.
_ENGINES = Engines(closed=ENGINE, general=InProcess(limits=Limits(max_quads=20_000, max_steps=2_000)))
_VERDICT_CPU_S = 3.0

GOOD = WORLD.credential()
_EVIDENCE = WORLD.evidence()
_PRESENTATION = presentation(GOOD)


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def _verdict(raw: bytes, evidence: Evidence = _EVIDENCE) -> Report:
    report = verify_credential(document.parse(raw), evidence, Policy(), NOW, engines=_ENGINES)
    _explains_itself(report)
    return report


def _explains_itself(report: Report) -> None:
    assert json.loads(report.to_json())["outcome"] == report.outcome.value
    assert (report.outcome is Outcome.VERIFIED) == (report.problem is None)
    assert report.outcome is Outcome.VERIFIED or report.detail


@target("document", lambda: [*documents(), *credentials()])
def _(raw: bytes) -> None:
    parsed = document.parse_any(raw)
    assert parsed.digest == digests.digest(raw)
    assert document.kind_of(parsed.value) is parsed.kind
    inner = document.embedded_presentation(parsed.value)
    assert inner.kind is parsed.kind
    document.proofs_of(parsed.value)


# With the context inline, most edits hit that: so the examples name it by its URL too.
_BY_URL = put("@context.3", green_compute.URL)
_GOOD_BY_URL = WORLD.credential(_BY_URL)


@target("verdict", lambda: [_encoded(GOOD), _encoded(_GOOD_BY_URL)], cpu_s=_VERDICT_CPU_S, inputs=250)
def _(raw: bytes) -> None:
    report = _verdict(raw)
    if report.outcome is Outcome.VERIFIED:
        assert _by_url(strict_json.parse_object(raw)) in (_by_url(GOOD), _by_url(_GOOD_BY_URL)), (
            "an edited credential is verified"
        )


def _by_url(value: JsonObject) -> JsonObject:
    """Return a credential with our context by its URL: inline or not, it is the same one."""
    *others, last = value["@context"]
    return {**value, "@context": [*others, green_compute.URL if green_compute.is_ours(last) else last]}


@target(
    "verdict_of_hostile_issuer",
    lambda: [_encoded(WORLD.unsecured(_BY_URL)), _encoded(WORLD.unsecured())],
    cpu_s=_VERDICT_CPU_S,
    inputs=200,
)
def _(raw: bytes) -> None:
    # Whatever can be signed at all gets a signature that holds, so that the steps after the proof are reached.
    value = strict_json.parse_object(raw)
    check_contexts(value, Profile.FOREIGN)
    _ENGINES.general.canonicalize({name: member for name, member in value.items() if name != "proof"})
    _verdict(_encoded(WORLD.issuer.sign(value)))


@target("verdict_of_foreign", documents, cpu_s=_VERDICT_CPU_S, inputs=150)
def _(raw: bytes) -> None:
    report = _verdict(raw)
    # Of the examples only the status list can be: its issuer has the key that this world publishes.
    assert report.outcome is not Outcome.VERIFIED or report.kind == "StatusList2021Credential"


@target("verdict_of_presentation", lambda: [_encoded(_PRESENTATION)], cpu_s=_VERDICT_CPU_S, inputs=150)
def _(raw: bytes) -> None:
    parsed = document.parse_presentation(raw)
    report = verify_presentation(parsed, _EVIDENCE, Policy(), EXPECTED, NOW, engines=_ENGINES)
    _explains_itself(report)
    if report.outcome is Outcome.VERIFIED:
        assert parsed.value == _PRESENTATION, "an edited presentation is verified"


@target("refused_at_gate", lambda: [_encoded(GOOD)])
def _(raw: bytes) -> None:
    try:
        document.parse(raw)
    except document.ResourceLimitError as error:
        report = refused_at_gate(raw, error, Policy(), NOW)
        _explains_itself(report)
        assert report.outcome is Outcome.REFUSED


def _with(part: str, raw: bytes) -> Evidence:
    """Return the good evidence with the bytes of one part replaced, whichever names it has."""
    entries = getattr(_EVIDENCE, part)
    return msgspec.structs.replace(
        _EVIDENCE, **{part: {name: fetched(entry.url, raw) for name, entry in entries.items()}}
    )


@target("verdict_on_did_document", lambda: [_encoded(WORLD.issuer.document())], cpu_s=_VERDICT_CPU_S)
def _(raw: bytes) -> None:
    _verdict(_encoded(GOOD), _with("did_documents", raw))


@cache
def _status_lists() -> list[bytes]:
    return [_encoded(WORLD.status_list("revocation")), _encoded(WORLD.status_list("suspension"))]


@target("verdict_on_status_list", _status_lists, cpu_s=_VERDICT_CPU_S)
def _(raw: bytes) -> None:
    # One list cannot serve both purposes, so whatever it says, this never verifies.
    assert _verdict(_encoded(GOOD), _with("status_lists", raw)).outcome is not Outcome.VERIFIED


@target("verdict_on_attachment", lambda: [_encoded(WORLD.record)], cpu_s=_VERDICT_CPU_S, inputs=60)
def _(raw: bytes) -> None:
    _verdict(_encoded(GOOD), _with("attachments", raw))


@target("url", lambda: [b"https://oracle.example/status/revocation/7", b"https://[2001:db8::1]:8443/a?b=c"])
def _(raw: bytes) -> None:
    text = text_of(raw)
    found = addresses.target_of(text)
    assert found.scheme in {"http", "https"}
    assert found.path.startswith("/")
    assert found.host in text.lower()
    assert text.isascii()
    assert not set(text) & set("\\ #\r\n\t")


_POLICIES = (
    b'trusted_issuers = ["did:web:oracle.example"]\nleeway_s = 30\n[pinned_keys]\n"did:web:a.example" = ["urn:x"]\n',
    b'{"minimum_assurance": "software", "require_status": true, "max_status_age_s": 3600}',
)


@target("policy", lambda: _POLICIES)
def _(raw: bytes) -> None:
    policy = read_policy(raw)
    assert read_policy(msgspec.json.encode(msgspec.to_builtins(policy))) == policy


@target("policy_in_force", lambda: _POLICIES, cpu_s=_VERDICT_CPU_S, inputs=60)
def _(raw: bytes) -> None:
    policy = read_policy(raw)
    _explains_itself(verify_credential(document.parse(_encoded(GOOD)), _EVIDENCE, policy, NOW, engines=_ENGINES))


@target(
    "verifier_settings", lambda: [b"port = 8090\nprocesses = 2\nfetch_timeout_s = 2.5\ncors_origins = ['https://a']\n"]
)
def _(raw: bytes) -> None:
    read_settings({}, raw)


@target("verifier_environment", lambda: [b"PORT=8090\nCORS_ORIGINS=https://a,https://b\nDEVELOPMENT=true"])
def _(raw: bytes) -> None:
    pairs = (line.partition("=") for line in text_of(raw).split("\n"))
    settings = read_settings({f"GREEN_VERIFIER_{name}": value for name, _, value in pairs})
    assert read_settings(environment_of(settings)) == settings


def _folder(path: Path, raw: bytes) -> Path:
    (path / "one.json").write_bytes(raw)
    (path / folder.MANIFEST).write_bytes(raw)
    return path


_MANIFEST = _encoded(
    {
        "version": 1,
        "entries": [
            {"part": "did_documents", "name": "did:web:a", "url": "https://a", "file": "one.json"},
            {"part": "status_lists", "name": "https://a/s", "url": "https://a/s", "problem": "FETCH_FAILED"},
        ],
    }
)


@target("evidence_folder", lambda: [_MANIFEST, *_status_lists(), _encoded(WORLD.issuer.document())])
def _(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place)
        (path / "one.json").write_bytes(raw)
        evidence = folder.load_folder(path)
        assert digests.digest(raw) in evidence.attachments
        (path / folder.MANIFEST).write_bytes(raw)
        loaded = folder.load_folder(path)
        folder.save(loaded, path / "kept")
        assert {part: name for part, name, _ in folder.load_folder(path / "kept").items()} == {
            part: name for part, name, _ in loaded.items()
        }
        _verdict(_encoded(GOOD), loaded)
