"""The one rule of headlines: whoever says "verified" in a line names with it every kind of warning beneath."""

import io
import json

import pytest

from tests.fakes.verifier import ENGINES, NOW, World, judge_presentation, presentation
from tests.fakes.windows import WindowWorld
from tests.verifier.bundles import audited, bundled, files_of, node_of
from verifier import document
from verifier.audit_report import MAX_FINDINGS, Findings
from verifier.notices import Notice
from verifier.policy import Policy
from verifier.render import show
from verifier.render_audit import show_audit
from verifier.report import Outcome, Report, Result, Space, Spec, conclude, findings_of, names_of, passed, warning
from verifier.verify import verify_receipt, verify_window
from verifier.web.verdict import MAX_NAMED, answer

SPEC = Spec("a rule", "https://rule.example/")
WORLD = World(policy=Policy(allow_simulated=True))
NAMES = ["NOT_BOUND", "UNTRUSTED_ISSUER", "SIMULATED"]


def simulated(value):
    value["type"].append("SimulatedCredential")
    value["credentialSubject"]["assurance"] = "simulated"


def first_line(show_it, report):
    stream = io.StringIO()
    show_it(report, stream)
    return stream.getvalue().splitlines()[0]


def report(*found, credentials=(), outcome=Outcome.VERIFIED):
    checks = (conclude("status", SPEC, [passed("a"), *found]),)
    return Report(outcome=outcome, kind="", document_digest="", at="", checks=checks, credentials=credentials)


def parsed(value):
    return document.parse(json.dumps(value).encode())


@pytest.fixture(scope="module")
def presented():
    """The verdict on a presentation of a simulated credential; its own steps warn of nothing simulated."""
    found = judge_presentation(WORLD, presentation(WORLD.credential(simulated)))
    assert "SIMULATED" not in names_of(found.warnings)
    return found


@pytest.fixture(scope="module")
def place():
    found = WindowWorld(World())
    found.close()
    found.close()
    return found


# --- where the names are told ----------------------------------------------------------------------------------


def test_a_presentation_names_its_credentials_warnings_in_the_first_line(presented):
    assert first_line(show, presented) == f"✓ VERIFIED, with warnings: {', '.join(NAMES)}"


def test_a_presentation_names_its_credentials_warnings_at_the_top_of_the_json(presented):
    assert json.loads(presented.to_json())["warned_of"] == NAMES


def test_a_presentation_names_its_credentials_warnings_in_the_answer(presented):
    warnings = json.loads(answer(presented).content)["warnings"]
    assert [item["type"].rpartition("#")[2] for item in warnings] == NAMES


def test_a_receipt_names_its_windows_warnings(place):
    window = place.credential(place.made[0])
    evidence = place.with_windows(window)
    receipt = parsed(place.receipt(place.made[0]))
    found = verify_receipt(receipt, evidence, Policy(), NOW, engines=ENGINES)
    assert (found.outcome, found.warned_of) == (Outcome.VERIFIED, ("UNTRUSTED_ISSUER",))


def test_a_window_names_the_warnings_of_the_one_before_it(place):
    before, after = (parsed(place.credential(made)) for made in place.made)
    trusting = Policy(trusted_issuers=("did:web:oracle.example",))
    found = verify_window(after, before, place.evidence(), trusting, NOW, engines=ENGINES)
    assert (found.outcome, found.warned_of) == (Outcome.VERIFIED, ())
    found = verify_window(after, before, place.evidence(), Policy(), NOW, engines=ENGINES)
    assert found.warned_of == ("UNTRUSTED_ISSUER",)


def test_a_bundle_names_every_warning_in_it(tmp_path):
    found = audited(bundled(tmp_path, files_of(node_of(2))))
    names = {finding.problem for finding in found.findings if finding.result is Result.WARNING}
    assert set(found.warned_of) == names != set()
    assert first_line(show_audit, found) == f"✓ VERIFIED, with warnings: {', '.join(found.warned_of)}"
    assert json.loads(found.to_json())["warned_of"] == [*found.warned_of]


def test_what_is_without_warnings_says_verified_and_no_more():
    assert first_line(show, report()) == "✓ VERIFIED"
    assert "warned_of" not in json.loads(report().to_json())


def test_what_is_refused_says_why_and_not_what_else_it_warns_of():
    refused = report(warning(Notice.SIMULATED, "s"), outcome=Outcome.REFUSED)
    assert first_line(show, refused).startswith("✗ REFUSED")
    assert "SIMULATED" not in first_line(show, refused)
    assert refused.warned_of == ("SIMULATED",)


# --- each name once, and none lost ---------------------------------------------------------------------------


def test_each_name_stands_once_however_many_credentials_are_warned_of():
    inner = report(warning(Notice.SIMULATED, "s"), warning(Notice.STALE_STATUS, "t"))
    whole = report(warning(Notice.STALE_STATUS, "t"), credentials=(inner,) * 1000)
    assert whole.warned_of == ("STALE_STATUS", "SIMULATED")
    assert len(json.loads(answer(whole).content)["warnings"]) == 2


def test_no_report_names_a_warning_of_its_maker():
    assert (
        Report(outcome=Outcome.VERIFIED, kind="", document_digest="", at="", checks=(), warned_of=("x",)).warned_of
        == ()
    )


@pytest.mark.parametrize("characters", [0, 700, 5000], ids=["no room", "room for one", "room for some"])
def test_no_warning_is_hidden_behind_many_others_of_one_step(characters):
    many = [warning(Notice.STALE_STATUS, f"{number:05}" + "x" * 400) for number in range(5000)]
    check = conclude("status", SPEC, [*many, warning(Notice.SIMULATED, "s")], Space(characters))
    assert set(names_of(findings_of(check))) == {"STALE_STATUS", "SIMULATED"}
    assert len(check.findings) < 20


def test_no_warning_is_hidden_behind_many_others_of_one_answer():
    many = [warning(Notice.STALE_STATUS, str(number)) for number in range(1000)]
    content = json.loads(answer(report(*many, warning(Notice.SIMULATED, "s"))).content)
    names = [item["type"].rpartition("#")[2] for item in content["warnings"]]
    assert names[:2] == ["STALE_STATUS", "SIMULATED"]
    assert (len(names), names[-1]) == (MAX_NAMED + 1, "NOT_LISTED")


def test_no_warning_is_hidden_behind_many_others_of_one_bundle():
    findings = Findings()
    findings.add("a", [warning(Notice.STALE_STATUS, str(number)) for number in range(MAX_FINDINGS)])
    findings.add("a", [warning(Notice.SIMULATED, "s")])
    assert findings.left_out == 1
    assert findings.warned_of == ("STALE_STATUS", "SIMULATED")
