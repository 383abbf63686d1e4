"""The file of grid sources is read strictly: each refusal names the file, the key, and what was perhaps meant."""

from __future__ import annotations

import msgspec
import pytest

from issuer.carbon.choose import HOUR_US
from issuer.carbon.opening import KINDS
from issuer.carbon.sources import GridFileError, load, open_all
from issuer.store.grid_records import FeedKey

WHOLE = """
[sources.em]
provider = "electricity-maps"
token_file = "/nowhere/em-token"
granularity = "PT15M"
factor_type = "direct"

[sources.entsoe]
provider = "entsoe"
token_file = "/nowhere/entsoe-token"
settles_after_h = 24

[sources.uk]
provider = "uk-carbon-intensity"
base_url = "https://proxy.example/uk"

[sources.moer]
provider = "watttime"
token_file = "/nowhere/login"
signal = "marginal"

[regions.DEU]
average = ["em:DE", "entsoe:DE-LU"]
marginal = ["moer:DE"]

[regions.UK]
average = ["uk:GB"]
"""


@pytest.fixture
def write(tmp_path):
    def write_one(text):
        path = tmp_path / "grid.toml"
        path.write_text(text)
        return path

    return write_one


def refused(path):
    with pytest.raises(GridFileError) as raised:
        open_all(path)
    assert str(path) in raised.value.detail
    return raised.value.detail.removeprefix(f"{path}: ")


def test_a_whole_file_says_who_is_asked_in_which_order(write):
    file = load(write(WHOLE))
    assert set(file.sources) == {"em", "entsoe", "uk", "moer"}
    cascade = file.cascade("DEU")
    assert cascade.average == (FeedKey(source="em", zone="DE"), FeedKey(source="entsoe", zone="DE-LU"))
    assert cascade.marginal == (FeedKey(source="moer", zone="DE"),)
    assert file.sources["em"].options == {"granularity": "PT15M", "factor_type": "direct"}


@pytest.mark.parametrize("spelt", ["DEU", "deu", "DE", "de"])
def test_a_region_is_found_however_a_node_spells_it(write, spelt):
    assert load(write(WHOLE)).cascade(spelt).region == "DEU"


def test_a_region_that_is_not_there_has_no_cascade(write):
    assert load(write(WHOLE)).cascade("FRA") is None
    assert load(write(WHOLE)).cascade("GBR").region == "GBR"


def test_an_empty_file_declares_nobody(write):
    assert msgspec.to_builtins(load(write(""))) == {"sources": {}, "cascades": {}}


def test_a_source_settles_when_its_provider_does_unless_the_file_says_so(write):
    found = load(write(WHOLE)).sources
    assert {name: one.settles_after_h for name, one in found.items()} == {"em": 72, "entsoe": 24, "uk": 2, "moer": 72}


def test_feeds_say_what_kind_their_sources_give(write):
    opened = open_all(write(WHOLE))
    (first, second) = opened.feeds("DE")
    assert (first.signal, first.factor_type, first.settles_after_us) == ("average", "direct", 72 * HOUR_US)
    assert (second.factor_type, second.settles_after_us) == ("lifecycle", 24 * HOUR_US)
    assert [feed.signal for feed in opened.feeds("DE", "marginal")] == ["marginal"]
    assert opened.feeds("FR") == ()


def test_no_token_is_read_and_nobody_asked_when_the_file_is_opened(write):
    assert set(open_all(write(WHOLE)).opened) == {"em", "entsoe", "uk", "moer"}


def test_an_operators_file_is_settled_with_its_period(write, tmp_path):
    (tmp_path / "own.csv").write_text("start,end,gco2e_per_kwh\n")
    (tmp_path / "own.csv.toml").write_text(
        'zone = "plant"\nsource = "Own"\nlicence = "own"\ngranularity = "PT1H"\nfactor_type = "direct"\n'
    )
    text = (
        f'[sources.own]\nprovider = "operator-file"\npath = "{tmp_path}/own.csv"\n[regions.DE]\naverage = ["own:plant"]'
    )
    opened = open_all(write(text))
    assert opened.feeds("DEU")[0].settles_after_us == 0


EM = '[sources.em]\nprovider = "electricity-maps"\ntoken_file = "/t"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[source.em]", "source: there is no such key here; near it: sources"),
        ("sources = 1", "sources: it is not tables such as [sources.NAME]"),
        ("[sources]\nem = 1", "sources.em: it is not a table [sources.em]"),
        ("[sources.em]", "sources.em.provider: it is missing: one of electricity-maps"),
        ("[sources.em]\nprovider = 1", "sources.em.provider: it is not a plain text"),
        (
            '[sources.em]\nprovider = "electricity-map"',
            "sources.em.provider: there is no provider 'electricity-map'; near it: electricity-maps",
        ),
        ('[sources.em]\nprovider = "electricity-maps"', "sources.em.token_file: it is missing"),
        (EM + "granularty = 'PT1H'", "sources.em.granularty: there is no such key here; near it: granularity"),
        (EM + "granularity = 'PT2H'", "sources.em.granularity: 'PT2H' is none of PT5M, PT15M"),
        (EM + "factor_type = 'life'", "sources.em.factor_type: 'life' is none of lifecycle, direct"),
        (EM + "signal = 'marginal'", "sources.em.signal: there is no such key here"),
        (EM + "settles_after_h = -1", "sources.em.settles_after_h: it is not a whole number of hours"),
        (EM + "settles_after_h = 1.5", "sources.em.settles_after_h: it is not a whole number of hours"),
        (EM + "settles_after_h = true", "sources.em.settles_after_h: it is not a whole number of hours"),
        (EM + "base_url = 'http://example.com'", "sources.em: "),
        ('[sources.uk]\nprovider = "uk-carbon-intensity"\npath = "x"', "sources.uk.path: there is no such key"),
        ('[sources.own]\nprovider = "operator-file"', "sources.own.path: it is missing"),
        ('[sources.own]\nprovider = "operator-file"\npath = "/nowhere"', "sources.own: "),
        (
            '[sources.own]\nprovider = "operator-file"\ntoken_file = "/x"',
            "sources.own.token_file: there is no such key",
        ),
        (
            EM.replace("em", "E M", 1).replace("[sources.E M]", '[sources."E M"]'),
            "sources.E M: the name of a source is",
        ),
        (EM + "[regions.DE]\naverage = 'em:DE'", "regions.DE.average: it is not a list"),
        (EM + "[regions.DE]\naverage = [1]", "regions.DE.average: it is not a list"),
        (EM + "[regions.DE]\naverage = ['em']", "regions.DE.average: 'em' is not \"SOURCE:ZONE\""),
        (EM + "[regions.DE]\naverage = ['em:D E']", "regions.DE.average: 'em:D E' is not \"SOURCE:ZONE\""),
        (EM + "[regions.DE]\naverage = ['emm:DE']", "regions.DE.average: no source 'emm' is declared; near it: em"),
        (EM + "[regions.DE]\naverage = ['em:DE', 'em:DE']", "regions.DE.average: 'em:DE' stands there twice"),
        (EM + "[regions.DE]\naverages = ['em:DE']", "regions.DE.averages: there is no such key here; near it: average"),
        (EM + "[regions.DE]\naverage = []", "regions.DE: it has no steps"),
        (EM + f"[regions.DE]\naverage = {[f'em:Z{n}' for n in range(9)]}", "regions.DE.average: it has 9 steps"),
        (EM + "[regions.Germny]\naverage = ['em:DE']", "regions.Germny: no carbon intensity is known"),
        (
            EM + "[regions.DE]\naverage = ['em:DE']\n[regions.DEU]\naverage = ['em:DE']",
            "regions.DEU: it is the region DEU, which regions.DE declares",
        ),
        (
            EM + "[regions.DE]\nmarginal = ['em:DE']",
            "regions.DEU.marginal: the source 'em' gives average figures, and one kind never stands in for the other",
        ),
    ],
)
def test_what_cannot_be_used_is_named(write, text, said):
    assert refused(write(text)).startswith(said)


def test_marginal_figures_never_stand_in_an_average_cascade(write):
    text = (
        '[sources.m]\nprovider = "watttime"\ntoken_file = "/t"\nsignal = "marginal"\n[regions.DE]\naverage = ["m:DE"]'
    )
    assert "gives marginal figures" in refused(write(text))


@pytest.mark.parametrize("text", ["[sources", "x = " + "9" * 5000, "x = " + "[" * 5000])
def test_what_is_not_toml_is_said_to_be_none(write, text):
    assert refused(write(text)).startswith(("", "is not TOML"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(GridFileError, match=r"grid\.toml cannot be read"):
        load(tmp_path / "grid.toml")


def test_a_file_of_megabytes_is_not_read(write):
    with pytest.raises(GridFileError, match="at most"):
        load(write("#" * 300_000))


def test_each_provider_that_can_be_declared_is_there_by_its_own_name():
    assert set(KINDS) == {"electricity-maps", "watttime", "uk-carbon-intensity", "entsoe", "operator-file"}
