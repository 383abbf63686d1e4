"""Rows VK: what an issuer signs and cannot be: sums that do not come out, figures outside of physics, energy twice."""

import io
from decimal import Decimal

import pytest

from schemas import decimals, times
from tests.attacks.catalogue import attack, of_report, waits
from tests.attacks.edits import EVIDENCE, GOOD, WORLD, encoded, hostile, ours, raw, verdict
from tests.fakes.foreign import foreign
from tests.fakes.verifier import World, edited, judge_presentation, presentation, put
from tests.fakes.windows import window_of
from verifier.claims.arithmetic import IT_BOUNDARIES
from verifier.render import show

waits("transparency log", "VK016")
waits("summary credentials", "VK018")

SUBJECT = GOOD["credentialSubject"]


def claims(**figures):
    """Changes that make a credential consistent again: every sum and product is done anew."""

    def change(value):
        subject = value["credentialSubject"]
        subject |= figures
        it_kwh = decimals.add(*(Decimal(subject[name]) for name in IT_BOUNDARIES if name in subject))
        if "pue" in subject:
            # Below 1 the overhead would be negative, which no claim can say.
            overhead = max(decimals.multiply(Decimal(subject["pue"]) - 1, it_kwh), Decimal(0))
            subject |= {"pueKind": "reported", "facilityOverheadKwh": decimals.render(overhead)}
            it_kwh = decimals.add(it_kwh, overhead)
        subject["energyKwh"] = decimals.render(it_kwh)
        intensity = Decimal(subject["carbonIntensityGco2ePerKwh"])
        subject["operationalEmissionsGco2e"] = decimals.render(decimals.multiply(it_kwh, intensity))

    return change


def test_claims_that_come_out_are_accepted():
    assert verdict(GOOD).meets("accept")
    assert hostile(claims(pue="1.2")).meets("accept")
    assert hostile(claims(carbonIntensityGco2ePerKwh="2000")).kind == "accept"


@attack("VK001", "reject:CLAIM_INCONSISTENT")
def test_emissions_that_are_not_the_product_are_refused(expected):
    emissions = Decimal(SUBJECT["operationalEmissionsGco2e"])
    last = Decimal(1).scaleb(emissions.as_tuple().exponent)
    for other in (
        emissions + last,
        emissions - last,
        Decimal(0),
        emissions / 1000,
        round(emissions, 3),
        Decimal(10) ** 17,
    ):
        expected.met_by(hostile(put("credentialSubject.operationalEmissionsGco2e", decimals.render(other))))
    expected.met_by(
        hostile(put("credentialSubject.energyKwh", "0.00073")),
        hostile(put("credentialSubject.carbonIntensityGco2ePerKwh", "0")),
        hostile(put("credentialSubject.hostKwh", "0.0001")),
    )


@attack("VK003", "reject:CLAIM_IMPLAUSIBLE")
def test_more_power_than_the_boards_can_draw_is_refused(expected):
    # 2.75 s at a megawatt are 0.763888… kWh.
    for active in ("0.8", "1000", "99999"):
        expected.met_by(hostile(claims(acceleratorActiveKwh=active)))
    # A window of 10 s with two accelerators of at most 5 kW each.
    window = edited(window_of(WORLD), claims(acceleratorActiveKwh="0.0278"))
    expected.met_by(verdict(WORLD.issuer.sign(window)))


@attack("VK005", "reject:CLAIM_IMPLAUSIBLE")
def test_a_grid_dirtier_than_any_is_refused(expected):
    for intensity in ("2000.001", "2001", "475000", "999999999999"):
        expected.met_by(hostile(claims(carbonIntensityGco2ePerKwh=intensity)))


@attack(
    "VK005",
    "reject:SCHEMA_INVALID",
    differs="the shape is checked before the sums, and a decimal of ours has no sign (decision 0003)",
)
def test_an_intensity_below_zero_cannot_be_said(expected):
    for text in ("-1", "-0", "-0.001", "\u22121"):
        expected.met_by(hostile(put("credentialSubject.carbonIntensityGco2ePerKwh", text)))


@attack("VK007", "reject:CLAIM_IMPLAUSIBLE")
def test_a_pue_below_1_or_above_3_is_refused(expected):
    for pue in ("0.999", "0.5", "0", "3.001", "4", "100"):
        expected.met_by(hostile(claims(pue=pue)))


# --- times ---------------------------------------------------------------------------------------------------


@attack("VK008", "reject:CLAIM_INCONSISTENT")
def test_a_period_that_ends_before_it_begins_or_lasts_too_long_is_refused(expected):
    end = SUBJECT["periodEnd"]
    expected.met_by(
        hostile(put("credentialSubject.periodStart", end)),
        hostile(put("credentialSubject.periodStart", "2026-11-20T20:01:04.250001Z")),
        hostile(put("credentialSubject.periodStart", "2026-11-19T20:01:04.249999Z")),
        hostile(put("credentialSubject.periodStart", "1999-01-01T00:00:00Z")),
        hostile(put("credentialSubject.periodEnd", "2026-11-20T20:01:05.000001Z")),
        hostile(put("credentialSubject.periodEnd", "2027-11-20T20:01:05Z")),
        verdict(WORLD.issuer.sign(window_of(WORLD, periodEnd="2026-11-20T20:00:00Z"))),
    )


@attack(
    "VK008",
    "reject:SCHEMA_INVALID",
    differs="the shape is checked before the period, and claims have one spelling of time, UTC with Z (docs/formats.md)",
)
def test_local_times_and_leap_seconds_are_outside_our_shape(expected):
    for text in (
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T02:30:00",
        "2026-12-31T23:59:60Z",
        "2026-11-20T20:01:04.250000Z",
        "2026-11-20T20:01:04.2500001Z",
    ):
        expected.met_by(
            ours(put("credentialSubject.periodStart", text)), hostile(put("credentialSubject.periodEnd", text))
        )


@attack("VK011", "reject:CLAIM_INCONSISTENT")
def test_an_end_before_the_beginning_and_an_issuance_within_the_period_are_refused(expected):
    expected.met_by(
        hostile(put("expirationDate", "2026-11-20T20:00:00Z")),
        hostile(put("expirationDate", "2020-01-01T00:00:00Z")),
        hostile(put("issuanceDate", "2026-11-20T20:01:04Z")),
        hostile(put("issuanceDate", "2020-01-01T00:00:00Z")),
        verdict(foreign(WORLD, put("validFrom", "2026-11-20T20:00:00Z"), put("validUntil", "2026-11-20T19:00:00Z"))),
        verdict(foreign(WORLD, put("expirationDate", "2026-11-20T19:00:00Z"))),
    )
    assert hostile(put("issuanceDate", "2026-11-20T20:59:00Z")).kind == "accept"


# --- energy twice --------------------------------------------------------------------------------------------


@attack("VK009", "reject:DUPLICATE_WINDOW")
def test_overlapping_windows_of_one_node_are_counted_once_or_not_at_all(expected):
    for start, end in (
        ("2026-11-20T20:00:05Z", "2026-11-20T20:00:15Z"),
        ("2026-11-20T20:00:09.999999Z", "2026-11-20T20:00:19.999999Z"),
        ("2026-11-20T20:00:02Z", "2026-11-20T20:00:08Z"),
    ):
        second = window_of(WORLD, number=42, periodStart=start, periodEnd=end, durationSeconds=_length(start, end))
        both = [WORLD.issuer.sign(window_of(WORLD)), WORLD.issuer.sign(second)]
        expected.met_by(of_report(shown(*both)), of_report(shown(*both[::-1])))


def test_windows_that_follow_each_other_are_accepted():
    start, end = "2026-11-20T20:00:10Z", "2026-11-20T20:00:20Z"
    second = window_of(WORLD, number=42, periodStart=start, periodEnd=end)
    assert of_report(shown(WORLD.issuer.sign(window_of(WORLD)), WORLD.issuer.sign(second))).meets("accept")


@attack("VK010", "reject:DUPLICATE_WINDOW")
def test_one_measurement_sold_to_two_customers_is_refused(expected):
    other = {
        "id": "https://oracle.example/credentials/019aa2c5-9410-7c00-9a00-0000000000c4",
        "tenantId": "https://customer-b.example/",
    }

    def sold_again(value):
        value["id"] = other["id"]
        value["credentialSubject"]["tenantId"] = other["tenantId"]

    def under_another_name(value):
        sold_again(value)
        value["credentialSubject"]["id"] = "https://oracle.example/inferences/another"
        value["credentialSubject"]["inferenceId"] = "another"

    first = WORLD.credential(put("credentialSubject.tenantId", "https://customer-a.example/"))
    expected.met_by(of_report(shown(first, WORLD.credential(sold_again))))
    found = shown(first, WORLD.credential(under_another_name))
    assert {finding.problem for finding in found.problems} >= {"DUPLICATE_WINDOW"}
    same_window = window_of(WORLD)
    renamed = edited(same_window, put("id", other["id"]))
    renamed["credentialSubject"]["id"] = "https://oracle.example/windows/node-8/1.0/41"
    expected.met_by(of_report(shown(WORLD.issuer.sign(same_window), WORLD.issuer.sign(renamed))))


def shown(*credentials):
    return judge_presentation(WORLD, presentation(*credentials), evidence=EVIDENCE)


def _length(start, end):
    return str((times.parse_claim(end) - times.parse_claim(start)).total_seconds()).removesuffix(".0")


# --- spelling and showing ------------------------------------------------------------------------------------


NO_DECIMALS = [
    "1" * 40,
    "0." + "1" * 40,
    "7.29e-4",
    "7.29E-4",
    "1e3",
    "+1",
    "0,000729",
    "1.000,5",
    "1 000",
    "1_000",
    "1'000",
    "0.0007290",
    ".5",
    "1.",
    "00.1",
    "0x1",
    "NaN",
    "Infinity",
    "",
    " 0.1",
    "0.1 ",
    "\u0660.\u0661",
    "\uff10.\uff11",
    "\u0967",
    "1/2",
    "\u00bd",
    "0.1\u200b",
]


@attack("VK019", "reject:SCHEMA_INVALID")
@pytest.mark.parametrize("text", NO_DECIMALS)
def test_a_decimal_in_any_other_grammar_is_refused(expected, text):
    expected.met_by(ours(put("credentialSubject.energyKwh", text)), hostile(put("credentialSubject.hostKwh", text)))


SHOWN = [
    "<script>alert(1)</script>",
    '=cmd|" /C calc"!A0',
    "@SUM(1+1)",
    "-1+1",
    "\u009b31mred",
    "\u202e001H",
    "[bold]x[/bold]",
    "\u2028line",
]


@attack("VK020", "accept, escaped")
@pytest.mark.parametrize("text", SHOWN)
def test_text_that_would_be_markup_a_formula_or_an_escape_is_accepted_and_shown_as_text(expected, text):
    # Without the node's record, so that nothing but the credential says what the model is called.
    world = World(record=WORLD.record, without={GOOD["evidence"][0]["digestMultibase"]})
    report = world.report(world.credential(put("credentialSubject.modelId", text)))
    assert of_report(report).kind == "accept"
    assert report.subject["modelId"] == text
    stream = io.StringIO()
    show(report, stream)
    hidden = {character for character in text if not character.isprintable()}
    assert not hidden & set(stream.getvalue())
    if not hidden:
        assert text in stream.getvalue()
    expected.held()


@attack(
    "VK020",
    "reject:MALFORMED_VALUE_ERROR",
    differs="no string holds a control character (docs/formats.md), so ANSI escapes and CRLF never get as far as a page, a terminal or a CSV file",
)
def test_an_escape_character_or_a_line_break_is_refused_at_the_gate(expected):
    for text in ("\x1b[31mred", "\x1b]8;;http://evil\x07", "a\r\nSet-Cookie: x", "a\nb", "a\tb", "\x00", "\x7f"):
        expected.met_by(raw(encoded(edited(GOOD, put("credentialSubject.modelId", text)))))
