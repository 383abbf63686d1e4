"""Where a stranger's document may send the verifier: addresses and URLs, and how much it may have fetched."""

import contextlib
import functools
import json

import pytest
from msgspec.structs import replace

from tests.attacks.catalogue import attack, of_call, of_report
from tests.fakes.hosts import PUBLIC, Names, Silence
from tests.fakes.jose import HEADER, ISSUER, Base, foreign, ours
from tests.fakes.verifier import (
    ORIGIN,
    MemoryFetcher,
    Signatory,
    World,
    edited,
    put,
    signer,
)
from verifier import document
from verifier.errors import MalformedTermError
from verifier.evidence import NOTHING
from verifier.fetch import EgressClient
from verifier.gather import gather
from verifier.report import Outcome

WORLD = World()
SYSTEM = "the system's resolver reads the numeric forms itself, without asking anybody"


@functools.cache
def scene(did=ISSUER, base=ORIGIN):
    """A world whose issuer has that DID and whose lists lie under that base, its credential, and all evidence."""
    world = World(issuer=Signatory(signer(1), did), base=base)
    return world, world.credential(), world.evidence()


async def by_did(did, client):
    """The verdict on a credential of ``did``, of which all but the DID document is at hand."""
    world, value, evidence = scene(did=did)
    return await verdict_on(value, world, replace(evidence, did_documents={}), client)


async def by_list(base, client):
    """The verdict on a credential whose status lists lie under ``base``, of which all but the lists is at hand."""
    world, value, evidence = scene(base=base)
    return await verdict_on(value, world, replace(evidence, status_lists={}), client)


async def verdict_on(value, world, known, client):
    evidence = await gather(document.parse(json.dumps(value).encode()), known, client)
    return world.report(value, evidence)


async def refused_without_contact(dids=(), bases=(), names=None):
    """The outcomes, none of which may have sent anything; ``names`` answers in the system resolver's place."""
    outcomes = []
    for verdict, places in ((by_did, dids), (by_list, bases)):
        for place in places:
            silence = Silence()
            report = await verdict(place, EgressClient(resolver=names and Names(*names), transport=silence))
            assert not silence.asked
            outcomes.append(of_report(report))
    return outcomes


async def resolving_to(*addresses):
    """The outcomes for a host whose one name stands for all of these addresses."""
    return await refused_without_contact(["did:web:evil.example"], ["https://evil.example"], names=[addresses])


# --- addresses -----------------------------------------------------------------------------------------------


@attack("VF001", "reject:FETCH_BLOCKED", network=SYSTEM)
async def test_this_machine_is_not_contacted(expected):
    dids = ("did:web:localhost%3A8000", "did:web:localhost", "did:web:127.0.0.1", "did:web:127.255.255.254%3A8443")
    expected.met_by(*await refused_without_contact(dids, ("https://[::1]", "https://[0:0:0:0:0:0:0:1]:8443")))
    expected.met_by(*await resolving_to("127.0.0.1"), *await resolving_to("::1"))
    names = ("localhost.localdomain", "a.localhost", "localhost.evil.example", "ip6-localhost", "127.0.0.1.nip.io")
    expected.met_by(*await refused_without_contact([f"did:web:{name}" for name in names], names=[["127.0.0.1"]]))


@pytest.mark.parametrize(
    "did", ["did:web:[::1]", "did:web:[::1]%3A8443", "did:web:%5B::1%5D", "did:web:localhost.", "did:web:１２７.0.0.1"]
)
async def test_what_is_no_host_of_a_did_is_no_did(did):
    silence, base = Silence(), foreign()
    value = edited(base.secured(base.jws(HEADER)), put("issuer", did))
    evidence = await gather(
        document.parse(json.dumps(value).encode()), NOTHING, EgressClient(transport=silence, resolver=Names())
    )
    assert (base.world.report(value, evidence).problem, silence.asked) == ("INVALID_DID", [])


@attack("VF002", "reject:FETCH_BLOCKED", network=SYSTEM)
async def test_other_spellings_of_an_address_are_judged_by_what_they_resolve_to(expected):
    spellings = ("127.1", "0x7f.1", "2130706433", "0177.0.0.1", "0", "0x7f000001", "017700000001", "127.0.1", "0.0.0.0")
    metadata = ("2852039166", "0xa9fea9fe", "169.254.43518", "0xa9.0xfe.0xa9.0xfe")
    expected.met_by(*await refused_without_contact([f"did:web:{spelling}" for spelling in (*spellings, *metadata)]))
    literals = ("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[::]")
    expected.met_by(*await refused_without_contact((), [f"https://{spelling}" for spelling in (*spellings, *literals)]))


@attack("VF004", "reject:FETCH_BLOCKED", network=SYSTEM)
async def test_the_metadata_of_a_cloud_is_not_fetched(expected):
    literals = ("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
    expected.met_by(*await refused_without_contact([f"did:web:{literal}" for literal in literals]))
    expected.met_by(*await refused_without_contact((), ("https://[fd00:ec2::254]", "https://[fd20:ce::254]")))
    for address in (*literals, "fd00:ec2::254", "fe80::a9fe:a9fe%eth0"):
        expected.met_by(*await resolving_to(address))


@attack("VF006", "reject:FETCH_BLOCKED")
async def test_an_address_inside_another_is_not_public(expected):
    embedded = (
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "64:ff9b:1::a00:1",
        "2001:0:7f00:1::1",
        "::a00:1",
    )
    others = ("224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1", "0.0.0.0", "::", "fec0::1", "100::1", "4000::1")
    private = ("10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fc00::1", "fe80::1", "198.18.0.1", "192.88.99.1")
    for address in (*embedded, *others, *private):
        expected.met_by(*await resolving_to(address))


@attack("VF007", "reject:FETCH_BLOCKED")
async def test_one_private_address_condemns_a_host(expected):
    for addresses in (
        (PUBLIC, "fd00::1"),
        ("fd00::1", PUBLIC),
        ("10.0.0.1", "2606:4700::1111"),
        ([PUBLIC] * 9 + ["127.0.0.1"]),
    ):
        expected.met_by(*await resolving_to(*addresses))


@attack("VF008", "reject:FETCH_BLOCKED")
async def test_a_name_is_asked_for_once_and_judged_again_each_time(expected):
    names, silence = Names([PUBLIC], ["127.0.0.1"]), Silence()
    client = EgressClient(resolver=names, transport=silence)
    report = await by_did("did:web:evil.example", client)
    # The first exchange goes to the address that was judged, though the name already has another.
    assert (report.outcome, report.problem) == (Outcome.INCONCLUSIVE, "FETCH_FAILED")
    assert (len(names.asked), silence.asked) == (1, [f"https://{PUBLIC}/.well-known/did.json"])
    expected.met_by(of_report(await by_did("did:web:evil.example", client)))
    assert len(silence.asked) == 1


# --- spellings -----------------------------------------------------------------------------------------------


async def by_url(base: Base, url):
    """The verdict on a credential that names its status list so, signed where such a thing can be signed."""
    jws = base.jws(HEADER)
    base.unsecured["credentialStatus"] |= {"id": f"{url}#94568", "statusListCredential": url}
    del base.__dict__["hashed"]
    with contextlib.suppress(MalformedTermError):
        jws = base.jws(HEADER)
    silence, known = Silence(), replace(base.evidence, status_lists={})
    parsed = document.parse(json.dumps(base.secured(jws)).encode())
    evidence = await gather(parsed, known, EgressClient(resolver=Names([PUBLIC]), transport=silence))
    assert not [asked for asked in silence.asked if "suspension" not in asked]
    return base.world.report(base.secured(jws), evidence)


@attack("VF011", "reject:MALFORMED_VALUE_ERROR")
async def test_a_url_that_two_parsers_read_in_two_ways_is_read_by_none(expected):
    urls = (
        "https://user@127.0.0.1/",
        "https://oracle.example:443@evil.example/",
        "https://evil.example#@oracle.example/",
        "https://evil.example/#fragment",
        "https://evil.example\\@oracle.example/",
        "https://evil.example/a b",
        "https://evil%2eexample/",
        "https://evil.example./",
        "https:/evil.example/",
        "https:evil.example",
        "https://１２７.0.0.1/",
        "https://evil.example。/",
        "https://[fe80::1%25eth0]/",
        "https://evil.example:/",
        "https://evil.example/<>",
    )
    expected.met_by(*[of_report(await by_url(kind(), url)) for url in urls for kind in (ours, foreign)])


@attack("VF011", "reject:MALFORMED_VALUE_ERROR")
def test_a_control_character_in_a_url_stops_at_the_gate(expected):
    for control in ("\t", "\r\nHost: oracle.example", "\x00", "\x7f"):
        value = edited(
            WORLD.credential(), put("credentialStatus.statusListCredential", f"https://evil.example/{control}")
        )
        expected.met_by(of_call(lambda value=value: WORLD.report(value)))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://evil.example/",
            "ftp://evil.example/",
            "file:///etc/passwd",
            "gopher://evil.example/",
            "data:text/plain,x",
        ),
        *(f"https://evil.example:{port}/" for port in (0, 22, 25, 53, 389, 65536)),
    ],
)
async def test_another_scheme_or_the_port_of_another_protocol_is_blocked(url):
    assert (await by_url(ours(), url)).problem == "FETCH_BLOCKED"


@attack("VF013", "reject:INVALID_DID")
async def test_a_did_is_no_way_to_another_path(expected):
    dids = (
        f"{ISSUER}:..",
        f"{ISSUER}:.",
        f"{ISSUER}:a:..:b",
        f"{ISSUER}:%2e%2e:a",
        f"{ISSUER}:%2E%2E:a",
        f"{ISSUER}:%00a",
        f"{ISSUER}:%C3%28a",
        f"{ISSUER}:a%2Fb",
        f"{ISSUER}:a%5Cb",
        f"{ISSUER}::b",
        f"{ISSUER}%3A0",
        f"{ISSUER}%3A65536",
        f"{ISSUER}%3a8443",
        f"{ISSUER}%3A443%40evil.example",
    )
    expected.met_by(*[outcome for did in dids for outcome in await of_issuer(did, ours(), foreign())])
    # These are no DIDs by their letters, which our own shape says before.
    others = (
        f"{ISSUER}?a=b",
        f"{ISSUER}/../b",
        f"{ISSUER}:%2e%2e",
        f"{ISSUER}:%00",
        f"{ISSUER}#key-1",
        f"{ISSUER}:",
        "did:web:",
        "did:web:" + "a" * 4096,
    )
    expected.met_by(*[outcome for did in others for outcome in await of_issuer(did, foreign())])


@attack("VF014", "reject:INVALID_DID")
async def test_a_did_has_one_spelling(expected):
    dids = ("did:web:Oracle.example", f"{ISSUER}.", "did:web:b%C3%BCcher.example", "did:web:oracle%2Eexample")
    others = ("did:web:-oracle.example", "did:web:oracle..example", "did:web:oracle_.example", "did:web:" + "a" * 64)
    expected.met_by(*[outcome for did in (*dids, *others) for outcome in await of_issuer(did, ours(), foreign())])
    for did in ("did:web:bücher.example", "DID:web:oracle.example", "did:WEB:oracle.example"):
        expected.met_by(*await of_issuer(did, foreign()))


async def test_the_ascii_form_of_an_international_name_is_a_did():
    report = await by_did("did:web:xn--bcher-kva.example", MemoryFetcher({}))
    assert report.problem == "FETCH_FAILED"


async def of_issuer(did, *bases):
    """The outcomes for credentials edited to have this issuer, for which nothing may be sent."""
    outcomes = []
    for base in bases:
        value = edited(base.secured(base.jws(HEADER)), put("issuer", did))
        fetcher = MemoryFetcher({})
        evidence = await gather(document.parse(json.dumps(value).encode()), NOTHING, fetcher)
        assert not [url for url in fetcher.asked if url.endswith("did.json")]
        outcomes.append(of_report(base.world.report(value, evidence)))
    return outcomes
