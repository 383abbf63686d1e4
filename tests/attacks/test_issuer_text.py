"""Text that wants to be code: SQL and patterns in parameters, formulas in cells, scripts in pages, dots in paths."""

from __future__ import annotations

import csv
import io
import itertools
import json
from html.parser import HTMLParser

import httpx
import pytest

from issuer.export import COLUMNS, csv_chunks
from issuer.store.records import StoredCredential
from tests.attacks.catalogue import attack, of_response
from tests.attacks.places import PLACES
from tests.fakes import site as sites
from tests.fakes.issuer_server import Server
from tests.fakes.issuer_server import furnished as furnished_server
from tests.fakes.site import JSON, bearer
from tests.issuer import conftest as running
from tests.issuer.test_authorization_matrix import MATRIX

furnished, site_postgres, site_url = running.furnished, running.site_postgres, running.site_url
site, any_site, open_site = running.site, running.any_site, running.open_site

PLENTY = {"key_rate_per_minute": 1_000_000, "refused_rate_per_minute": 1_000_000, "node_rate_per_minute": 1_000_000}


def _named(credential):
    return {
        "slug": "root",
        "inference_id": "inference-1",
        "model_id": "model-1",
        "credential": credential["id"].rpartition("/")[2],
        "list_id": credential["credentialStatus"]["statusListCredential"].rpartition("/")[2],
        "name": credential["evidence"][0]["digestMultibase"],
    }


_INJECTIONS = (
    *("'", "' OR '1'='1", "'; DROP TABLE credential; --", "' UNION SELECT uri FROM signing_key --", '"', "\\"),
    *("%", "_", "inference-_", "inference%", "*", "1; SELECT pg_sleep(30)", "x' || (SELECT 1) || '", "${7*7}"),
    *("1e309", "-1", "1000000000", "9" * 30, "\u0000", "\u202e", "null", "[]", "../..", "1/**/OR/**/1"),
)
_INVENTED = ("sort", "order", "order_by", "filter", "offset", "page", "fields", "q", "where", "$where", "limit[]")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def patient_site(request):
    """A service without rate limits to speak of, on either database."""
    if request.param == "sqlite":
        url = request.getfixturevalue("site_url")
    else:
        server = request.getfixturevalue("site_postgres")
        server.restore_rows("site")
        url = server.url("site")
    built = sites.build(sites.site_settings(url, **PLENTY))
    async with built.client:
        yield built


@attack(
    "IA011",
    "reject:400/empty",
    heavy="every parameter of every route times every spelling",
    network="its PostgreSQL",
)
async def test_no_parameter_of_any_route_is_read_as_sql_or_as_a_pattern(expected, patient_site):
    site = patient_site
    names = _named((await site.telemetry(model_id="model-1")).json())
    described = (await site.client.get("/openapi")).json()["paths"]
    tried = 0
    for template, method in itertools.product(described, ("get",)):
        parameters = described[template].get(method, {}).get("parameters", [])
        for parameter, injection in itertools.product(parameters, _INJECTIONS):
            path, query = template.format(**PLACES | names), {}
            if parameter["in"] == "path":
                path = template.replace("{" + parameter["name"] + "}", _quoted(injection)).format(**PLACES | names)
            else:
                query = {parameter["name"]: injection}
            answer = await site.client.get(path, params=query, headers=bearer("all", "admin"))
            tried += 1
            _assert_nothing_found(answer, (path, query))
    assert tried > 500
    for name in _INVENTED:
        answer = await site.get("/api/v1/certificates", **{name: "1"})
        assert answer.status_code == 400, name
    for limit in ("1000000000", "1e9", "-1", "0", "0x10", "1;2"):
        assert (await site.get("/api/v1/certificates", limit=limit)).status_code == 400
    # The tables are as they were.
    assert len((await site.get("/api/v1/certificates")).json()["items"]) == 1
    expected.held()


def _quoted(text):
    return "".join(f"%{byte:02x}" for byte in text.encode())


def _assert_nothing_found(answer, sent):
    assert answer.status_code in {200, 400, 404, 406}, (sent, answer.text)
    if answer.status_code == 200:
        assert "inference-1" not in answer.text, (sent, answer.text)
        assert '"count":1' not in answer.text, (sent, answer.text)


_FORMULAS = (
    "=HYPERLINK(1)",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "=1+1",
    "\uff1d1+1",
    "\uff0b1",
    "\uff20x",
)


@attack("IA012", "cell prefixed/quoted")
async def test_no_cell_of_an_export_begins_as_a_formula(expected, open_site):
    site = await open_site(**PLENTY)
    taken = 0
    for number, formula in enumerate(_FORMULAS):
        answer = await site.telemetry(inference_id=f"-{number}", model_id=formula)
        taken += answer.status_code == 201
        assert answer.status_code in {201, 400}, answer.text
    assert taken >= 4
    answer = await site.get("/api/v1/compliance/export")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert len(rows) == 1 + taken
    assert not [cell for row in rows for cell in row if cell[:1] in _BEGINNINGS]
    await _assert_each_text_column_is_escaped(answer.text)
    expected.held()


_BEGINNINGS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


async def _assert_each_text_column_is_escaped(written):
    header, first, *_ = csv.reader(io.StringIO(written, newline=""))
    assert tuple(header) == COLUMNS
    assert len(first) == len(COLUMNS)
    claims = dict.fromkeys(
        (
            *("acceleratorActiveKwh", "facilityOverheadKwh", "pue", "pueKind", "gridRegion", "claimStatus"),
            *("carbonIntensityGco2ePerKwh", "carbonIntensitySource", "carbonIntensityYear", "carbonIntensityTier"),
            *("emissionFactorType", "measurementMethod"),
        ),
        "=1+1",
    )
    named = dict.fromkeys(("id", "tenant_id", "inference_id", "model_id", "node_id", "assurance"), "=1+1")
    absent = dict.fromkeys(StoredCredential.__struct_fields__)
    figures = {"energy_kwh": "0.5", "operational_emissions_gco2e": "0.5", "period_end_us": 0, "simulated": False}
    row = StoredCredential(
        **(absent | named | figures | {"document": json.dumps({"credentialSubject": claims}).encode()})
    )

    async def one():
        yield row

    out = b"".join([chunk async for chunk in csv_chunks(one())]).decode()
    cells = dict(zip(*csv.reader(io.StringIO(out, newline="")), strict=True))
    assert sum(cell == "'=1+1" for cell in cells.values()) == len(claims) + len(named)
    assert "=1+1" not in cells.values()


_SCRIPTS = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "$public_url {{7*7}}")


class _Active(HTMLParser):
    """Collects what could run or load: tags and attributes."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag in {"script", "img", "iframe", "object", "embed", "base", "form", "svg", "link"}:
            self.found.append(tag)
        self.found += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]

    @classmethod
    def within(cls, page):
        parser = cls()
        parser.feed(page)
        return parser.found


@attack("IA013", "no script; strict CSP (no unsafe-inline)", heavy="the first call of each page and document makes it")
async def test_the_page_and_every_answer_show_text_as_text(expected, site):
    store = site.store()
    for number, script in enumerate(_SCRIPTS):
        await store.issuers.add(f"other-{number}", f"did:web:{number}.example", script, now_us=0)
    await store.close()
    page = await site.client.get("/")
    assert page.status_code == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "<script" not in page.text.lower()
    assert "<img" not in page.text.lower()
    assert not _Active.within(page.text)
    names = _named((await site.telemetry(model_id="model-1")).json())
    names |= {"slug": "<script>", "model_id": "<script>"}
    for method, template in sorted(MATRIX):
        path = template.format(**PLACES | names)
        answer = await site.client.request(
            method,
            path,
            content=b'{"<script>":1}' if method == "POST" else None,
            headers=JSON | bearer("acme", "admin"),
        )
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        if template != "/":
            assert "html" not in answer.headers["content-type"], template
    expected.held()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = furnished_server(Server(tmp_path_factory.mktemp("authz")))
    made.start()
    yield made
    made.stop()


_PATHS = (
    *("/issuers/%2e%2e/did.json", "/issuers/../did.json", "/issuers/..%2f..%2fdid.json", "/issuers/%FF/did.json"),
    *("/issuers/%00/did.json", "/issuers/a%2Fb/did.json", "/issuers/root%00/did.json", "/issuers/%C0%AE/did.json"),
    *(
        "/issuers/%EF%BF%BD/did.json",
        "/issuers/ROOT/did.json",
        "/issuers/-/did.json",
        "/issuers/" + "a" * 64 + "/did.json",
    ),
    *("/issuers//did.json", "/issuers/%20/did.json", "/issuers/root;x/did.json", "/issuers/root%0d%0aX:y/did.json"),
    *("/issuers/\u5c0f/did.json", "/issuers/..;/did.json", "/issuers/.%00./did.json", "/tenants/%2e%2e/did.json"),
    *(
        "/.well-known/%2e%2e/did.json",
        "/.well-known/did.json%00",
        "//.well-known/did.json%2f..",
        "/evidence/%2e%2e%2fx",
    ),
)


@attack("IA014", "reject:404")
async def test_no_spelling_of_a_path_leads_out_of_the_issuers(expected, site):
    expected.met_by(*[of_response(await site.client.get(path)) for path in _PATHS if ".." not in path.split("/")])


@attack("IA014", "reject:404", network="a server of its own", heavy="a process to speak to")
def test_no_spelling_of_a_path_leads_out_of_the_issuers_over_the_wire(expected, server):
    for path in _PATHS:
        if not path.isascii():
            continue
        request = f"GET {path} HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: close\r\n\r\n"
        answer = server.raw(request.encode())
        assert answer.startswith(b"HTTP/1.1 404 "), (path, answer[:300])
        expected.met_by(_of_raw(answer))
    # Bytes that are no ASCII are no request target (RFC 9112 §3.2): refused as malformed, or not found.
    for raw in (b"/issuers/\xff/did.json", b"/issuers/\x00/did.json", "/issuers/小/did.json".encode()):
        answer = server.raw(b"GET " + raw + f" HTTP/1.1\r\nHost: localhost:{server.port}\r\n\r\n".encode(), 2.0)
        assert answer[:13] in {b"HTTP/1.1 400 ", b"HTTP/1.1 404 "}, answer[:200]


def _of_raw(answer):
    return of_response(httpx.Response(int(answer.split()[1])))
