import pytest

from issuer.carbon.providers.errors import ProviderRefusedError, ProviderSettingsError, UnknownZoneError
from issuer.carbon.providers.operator_file import OperatorFile
from schemas import digests
from tests.fakes.grid.values import HOUR_US, us
from tests.issuer.carbon.providers.asking import NOW_US

TOML = """zone = "plant-1"
source = "Own meter of the plant, edition 2026-10"
licence = "own"
granularity = "PT1H"
factor_type = "lifecycle"
"""
CSV = """start,end,gco2e_per_kwh
2026-10-01T03:00Z,2026-10-01T04:00Z,312.5
2026-10-01T06:00+02:00,2026-10-01T07:00+02:00,0

2026-10-01T05:00Z,2026-10-01T06:00Z,20.125
"""
START_US, END_US = us("2026-10-01T03:00"), us("2026-10-01T06:00")


def written(folder, csv=CSV, toml=TOML) -> OperatorFile:
    (folder / "slots.csv").write_text(csv, encoding="utf-8")
    (folder / "slots.csv.toml").write_text(toml, encoding="utf-8")
    return OperatorFile(str(folder / "slots.csv"))


async def ask(provider):
    return await provider.slots("plant-1", START_US, END_US, NOW_US)


async def test_rows_are_slots_of_the_operator_with_the_file_s_digest(tmp_path):
    given = await ask(written(tmp_path))
    assert [slot.gco2e_per_kwh for slot in given.slots] == ["312.5", "0", "20.125"]
    assert {(slot.tier, slot.reply_digest, slot.endpoint) for slot in given.slots} == {
        ("operator", digests.digest(CSV.encode()), "file slots.csv")
    }
    data = given.grid_data(START_US, END_US)
    assert (data.source, data.signal, data.factor_type) == (
        "Own meter of the plant, edition 2026-10",
        "average",
        "lifecycle",
    )


async def test_only_the_period_is_given_and_added_rows_are_seen(tmp_path):
    provider = written(tmp_path)
    assert len((await provider.slots("plant-1", START_US, START_US + HOUR_US, NOW_US)).slots) == 1
    with (tmp_path / "slots.csv").open("a", encoding="utf-8") as file:
        file.write("2026-10-01T06:00Z,2026-10-01T07:00Z,1\n")
    assert len((await provider.slots("plant-1", START_US, END_US + HOUR_US, NOW_US)).slots) == 4


async def test_a_fourth_column_marks_estimates(tmp_path):
    csv = "start,end,gco2e_per_kwh,estimated\n2026-10-01T03:00Z,2026-10-01T04:00Z,1,true\n2026-10-01T04:00Z,2026-10-01T05:00Z,1,\n"
    assert [slot.estimated for slot in (await ask(written(tmp_path, csv))).slots] == [True, False]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("312.5", "NaN", "line 2"),
        ("312.5", "-1", "line 2"),
        ("312.5", "2000.001", "line 2"),
        ("312.5", "3e2", "line 2"),
        ("312.5", "", "line 2"),
        ("312.5", "312.5,true", "line 2"),
        ("T04:00Z", "T04:30Z", "line 2"),
        ("03:00Z,", "03:00,", "line 2"),
        ("start,end", "end,start", "first line"),
        ("05:00Z,2026-10-01T06:00Z", "03:00Z,2026-10-01T04:00Z", "two figures"),
        ("2026-10-01T05:00Z,2026-10-01T06:00Z", "2026-10-01T05:30Z,2026-10-01T06:30Z", "no edge"),
    ],
)
async def test_a_row_that_cannot_be_used_is_named(tmp_path, old, new, says):
    assert old in CSV
    with pytest.raises(ProviderRefusedError, match=says):
        await ask(written(tmp_path, CSV.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('source = "', 'sauce = "'),
        ('"own"', '""'),
        ('"own"', '"a\\u0007b"'),
        ('"PT1H"', '"PT2H"'),
        ('"lifecycle"', '"market"'),
        ('"own"', '"own"\nsignal = "index"'),
        ('zone = "plant-1"', "zone = 1"),
        ('zone = "plant-1"', "zone = "),
    ],
)
def test_provenance_that_lacks_something_is_refused_before_anything_is_asked(tmp_path, old, new):
    assert old in TOML
    with pytest.raises(ProviderSettingsError, match="toml"):
        written(tmp_path, toml=TOML.replace(old, new))


def test_a_file_without_provenance_is_refused(tmp_path):
    with pytest.raises(ProviderSettingsError, match="cannot be read"):
        OperatorFile(str(tmp_path / "slots.csv"))


async def test_a_file_that_went_away_is_a_matter_of_settings(tmp_path):
    provider = written(tmp_path)
    (tmp_path / "slots.csv").unlink()
    with pytest.raises(ProviderSettingsError, match="cannot be read"):
        await ask(provider)


async def test_another_zone_is_not_in_the_file(tmp_path):
    with pytest.raises(UnknownZoneError):
        await written(tmp_path).slots("DE", START_US, END_US, NOW_US)


async def test_a_file_is_no_live_source(tmp_path):
    assert await written(tmp_path).latest("plant-1", NOW_US) is None
