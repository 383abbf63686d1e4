from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.config import Settings
from agent.errors import ReadingFailedError, SettingsError
from agent.meters.redfish import RedfishMeter
from agent.meters.redfish_client import Figures, RedfishClient, figures, read_login
from tests.fakes.agent import HandClock
from tests.fakes.bmc import METRICS, POWER, serving
from tests.fakes.eventually import eventually

COUNTER = {"EnergyJoules": {"Reading": 5000.25}, "PowerWatts": {"Reading": 812.5}}
CHASSIS = {"Members": [{"@odata.id": "/redfish/v1/Chassis/1"}, {"@odata.id": "/redfish/v1/Chassis/Fans"}]}


@pytest.fixture
def bmc(tmp_path):
    with serving(tmp_path, documents={METRICS: COUNTER}) as served:
        yield served


def pinned(bmc, path=METRICS, **settings):
    return Settings(redfish_url=bmc.url + path, redfish_fingerprint=bmc.fingerprint, **settings)


def login_file(tmp_path, text='user = "reader"\npassword = "s3cret"\n', mode=0o600):
    path = tmp_path / "login.toml"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (COUNTER, Figures(5_000_250, 812_500)),
        ({"PowerWatts": {"Reading": 100}, "EnergykWh": {"Reading": 12.345}}, Figures(None, 100_000, 44_442_000_000)),
        ({"PowerControl": [{"PowerConsumedWatts": 590}, {"PowerConsumedWatts": 200}]}, Figures(None, 590_000)),
        ({"PowerConsumedWatts": 590}, Figures(None, 590_000)),
        ({"ReadingType": "EnergyJoules", "Reading": 7}, Figures(7000)),
        ({"ReadingType": "Power", "Reading": 7}, Figures(None, 7000)),
        ({"ReadingType": "Power", "Reading": None}, Figures()),
        ({"PowerWatts": {"Reading": -5}}, Figures()),
        ({"PowerWatts": {"Reading": True}}, Figures()),
        ({"PowerWatts": {"Reading": "80"}}, Figures()),
        ({"PowerWatts": {"Reading": 10**40}}, Figures()),
        ({"PowerControl": []}, Figures()),
        ({"PowerControl": [None]}, Figures()),
        ([], Figures()),
        (None, Figures()),
    ],
)
def test_each_kind_of_resource_is_read_and_what_is_no_figure_is_none(tmp_path, document, expected):
    with serving(tmp_path, documents={METRICS: document}) as bmc:
        assert RedfishClient(pinned(bmc)).read() == expected


def test_figures_of_no_json_object_are_none():
    assert figures("text") == Figures()


def test_the_one_chassis_that_tells_is_found(tmp_path):
    documents = {"/redfish/v1/Chassis": CHASSIS, POWER: {"PowerControl": [{"PowerConsumedWatts": 300}]}}
    with serving(tmp_path, documents=documents) as bmc:
        client = RedfishClient(pinned(bmc, ""))

        assert client.read().power_mw == 300_000
        assert client.path == POWER


def test_of_several_chassis_none_is_guessed(tmp_path):
    other = "/redfish/v1/Chassis/Fans/EnvironmentMetrics"
    documents = {"/redfish/v1/Chassis": CHASSIS, METRICS: COUNTER, other: COUNTER}
    refused = pytest.raises(ReadingFailedError, match=r"has 2 chassis .* give redfish_url the path")
    with serving(tmp_path, documents=documents) as bmc, refused:
        RedfishClient(pinned(bmc, "/redfish/v1/")).read()


def test_a_certificate_that_nobody_vouches_for_is_refused_and_the_login_is_not_sent(tmp_path, bmc):
    settings = Settings(redfish_url=bmc.url + METRICS, redfish_login_file=login_file(tmp_path))
    with pytest.raises(ReadingFailedError, match=r"not trusted .* redfish_fingerprint"):
        RedfishClient(settings).read()
    assert not bmc.requests


def test_a_certificate_of_the_authority_that_was_named_is_taken(bmc):
    settings = Settings(redfish_url=bmc.url + METRICS, redfish_ca_file=str(bmc.certificate))

    assert RedfishClient(settings).read().energy_mj == 5_000_250


def test_another_certificate_than_the_pinned_one_is_refused_each_time_before_the_login_is_sent(tmp_path, bmc):
    wrong = "00" + bmc.fingerprint[2:]
    settings = Settings(
        redfish_url=bmc.url + METRICS, redfish_fingerprint=wrong, redfish_login_file=login_file(tmp_path)
    )
    client = RedfishClient(settings)
    for _ in range(2):
        with pytest.raises(ReadingFailedError, match=f"SHA-256 {bmc.fingerprint}, not redfish_fingerprint"):
            client.read()
    assert not bmc.requests


def test_a_fingerprint_is_taken_as_openssl_prints_it(bmc):
    shown = ":".join(bmc.fingerprint[index : index + 2] for index in range(0, 64, 2)).upper()

    assert RedfishClient(Settings(redfish_url=bmc.url + METRICS, redfish_fingerprint=shown)).read().usable


def test_basic_login_goes_with_every_request(tmp_path, bmc):
    bmc.login = ("reader", "s3cret")
    client = RedfishClient(pinned(bmc, redfish_login_file=login_file(tmp_path)))

    assert client.read().usable
    assert client.read().usable
    assert [command for command, *_ in bmc.requests] == ["GET", "GET"]


def test_a_session_is_opened_used_renewed_and_given_back(tmp_path, bmc):
    bmc.login = ("reader", "s3cret")
    text = 'user = "reader"\npassword = "s3cret"\nmode = "session"\n'
    client = RedfishClient(pinned(bmc, redfish_login_file=login_file(tmp_path, text)))
    client.read()
    client.read()
    bmc.tokens.clear()
    client.read()
    assert [command for command, *_ in bmc.requests] == ["POST", "GET", "GET", "GET", "POST", "GET"]
    client.close()

    assert bmc.requests[-1][0] == "DELETE"
    assert not bmc.tokens


@pytest.mark.parametrize("mode", ["basic", "session"])
def test_a_login_that_is_refused_says_where_it_stands(tmp_path, bmc, mode):
    bmc.login = ("reader", "another")
    text = f'user = "reader"\npassword = "s3cret"\nmode = "{mode}"\n'
    with pytest.raises(ReadingFailedError, match="redfish_login_file"):
        RedfishClient(pinned(bmc, redfish_login_file=login_file(tmp_path, text))).read()


@pytest.mark.parametrize("step", ["noise", "huge", "500", "404", "302"])
def test_an_answer_that_is_none_is_no_reading_and_the_next_one_is_read(bmc, step):
    bmc.steps = [step]
    client = RedfishClient(pinned(bmc))
    with pytest.raises(ReadingFailedError):
        client.read()

    assert client.read().usable


@pytest.mark.parametrize("body", [b"{", b"NaN-", b"[" * 100_000])
def test_what_is_no_json_is_no_reading(bmc, body):
    bmc.documents[METRICS] = body
    with pytest.raises(ReadingFailedError, match="no JSON"):
        RedfishClient(pinned(bmc)).read()


@pytest.mark.parametrize(
    "settings",
    [
        {"redfish_url": "http://bmc.example"},
        {"redfish_url": "http://127.0.0.1"},
        {"redfish_url": "ftp://bmc.example"},
        {"redfish_url": "https://user:word@bmc.example"},
        {"redfish_url": "https://bmc.example:x"},
        {"redfish_url": "https://bmc.example", "redfish_fingerprint": "12"},
        {"redfish_url": "https://bmc.example", "redfish_login_file": "/nowhere"},
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings):
    with pytest.raises(SettingsError, match="redfish_"):
        RedfishClient(Settings(**settings))


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ('user = "a"\npassword = "b"\n', 0o644),
        ('user = "a"', 0o600),
        ("no toml", 0o600),
        ('user="a"\npassword="b"\nmode="x"', 0o600),
    ],
)
def test_a_login_file_that_others_may_read_or_that_says_nothing_is_refused(tmp_path, text, mode):
    with pytest.raises(SettingsError, match="redfish_login_file"):
        read_login(Path(login_file(tmp_path, text, mode)))


@pytest.fixture
def meter_of():
    made = []

    def meter_of(bmc, clock, **options):
        meter = RedfishMeter(RedfishClient(pinned(bmc), timeout_s=0.3), clock, **{"period_s": 0.02, **options})
        made.append(meter)
        assert meter.wait(10)
        return meter

    yield meter_of
    for meter in made:
        meter.close()


def test_a_counter_of_joules_is_metered(bmc, meter_of):
    meter = meter_of(bmc, SystemClock())

    assert (meter.name, meter.scope, meter.method, meter.simulated) == ("redfish", "node", "metered", False)
    assert (meter.read().energy_mj, meter.read().power_mw) == (5_000_250, 812_500)


def test_power_alone_is_integrated(tmp_path, meter_of):
    with serving(tmp_path, documents={METRICS: {"PowerWatts": {"Reading": 500}}}) as bmc:
        meter = meter_of(bmc, SystemClock())
        first = meter.read()
        assert eventually(lambda: meter.read().energy_mj > first.energy_mj)
        now = meter.read()

    assert meter.method == "integrated"
    assert now.energy_mj - first.energy_mj == pytest.approx((now.boottime_ns - first.boottime_ns) * 500 / 10**6, abs=2)


def test_a_counter_of_kilowatt_hours_alone_is_too_coarse(tmp_path, meter_of):
    refused = pytest.raises(ReadingFailedError, match="too coarse for windows")
    with serving(tmp_path, documents={METRICS: {"EnergykWh": {"Reading": 12.3}}}) as bmc, refused:
        meter_of(bmc, SystemClock()).read()


def test_a_reading_never_waits_and_a_value_has_its_age(bmc, meter_of):
    clock = HandClock()
    meter = meter_of(bmc, clock, period_s=5.0, timeout_s=10.0)
    first = meter.read()
    clock.advance(20)

    assert meter.read().boottime_ns == first.boottime_ns
    clock.advance(6)
    with pytest.raises(ReadingFailedError, match="last value is 26 s old"):
        meter.read()


def test_a_bmc_that_hangs_is_no_reading_once_its_value_is_old_and_is_read_again_when_it_is_back(bmc, meter_of):
    clock = SystemClock()
    meter = meter_of(bmc, clock, timeout_s=0.1)
    bmc.steps = ["hang"] * 3
    assert eventually(lambda: _fails(meter))
    bmc.released.set()
    bmc.documents[METRICS] = {"EnergyJoules": {"Reading": 6000}}

    assert eventually(lambda: not _fails(meter) and meter.read().energy_mj == 6_000_000)


def test_a_bmc_that_hangs_holds_up_no_closing(bmc):
    bmc.steps = ["hang"]
    meter = RedfishMeter(RedfishClient(pinned(bmc), timeout_s=20), SystemClock(), period_s=0.02)
    assert eventually(lambda: len(bmc.requests) == 1)
    before_ns = SystemClock().boottime_ns()
    meter.close()

    assert SystemClock().boottime_ns() - before_ns < 2 * 10**9


def test_a_resource_that_lost_its_counter_is_no_reading(bmc, meter_of):
    meter = meter_of(bmc, SystemClock(), timeout_s=0.05)
    meter.read()
    bmc.documents[METRICS] = {"PowerWatts": {"Reading": 1}}

    assert eventually(lambda: _fails(meter))


def _fails(meter):
    try:
        meter.read()
    except ReadingFailedError:
        return True
    return False
