"""The same record in the windows of two tenants: whoever has a receipt of it can put it into a window of his own.

Nobody's credential stands or falls with what another one's node sends.
"""

from sqlalchemy import text

from schemas.receipt import parse_receipt
from tests.fakes.issuer import PUBLIC_URL
from tests.fakes.window_node import WindowNode, post_window
from tests.issuer.windows.test_verified import verdict


async def _copied(site):
    """Return an inference of acme's whose record umbra's node has put into a window of its own, and its receipt."""
    acme, umbra = WindowNode(7), WindowNode(8)
    records = acme.records(2)
    assert (await post_window(site, acme.zipped(records))).status_code == 201
    name = records[0]["inference_id"]
    receipt = (await site.get(f"/api/v1/receipt/{name}")).json()
    umbra.chain.wall_us = min(record["start_us"] for record in records)
    assert (await post_window(site, umbra.zipped([dict(receipt["record"])]))).status_code == 201
    return name, receipt


async def test_a_copied_record_whose_credential_is_made_first_takes_nothing_from_the_original(any_site):
    name, _ = await _copied(any_site)
    copy = await any_site.get(f"/api/v1/certificate/{name}/vc", tenant="umbra")
    original = await any_site.get(f"/api/v1/certificate/{name}/vc")
    assert (copy.status_code, original.status_code) == (200, 200)
    for answer in (original, copy):
        report = await verdict(any_site, answer.content)
        assert report.outcome == "verified", [str(check) for check in report.checks]


async def test_each_credential_has_its_own_receipt_beside_its_evidence(any_site):
    name, _ = await _copied(any_site)
    windows = set()
    for tenant in ("umbra", "acme"):
        document = (await any_site.get(f"/api/v1/certificate/{name}/vc", tenant=tenant)).json()
        (entry,) = document["evidence"]
        assert entry["id"] == f"{PUBLIC_URL}/evidence/{document['id'].rpartition('/')[2]}/{entry['digestMultibase']}"
        folder = entry["id"].removeprefix(PUBLIC_URL).rpartition("/")[0]
        receipt = parse_receipt((await any_site.client.get(f"{folder}/{entry['recordDigest']}")).content)
        assert receipt.window_credential == document["credentialSubject"]["windowCredential"]
        assert receipt.window_digest == entry["windowDigest"]
        windows.add(receipt.window_digest)
    assert len(windows) == 2


async def test_a_receipt_is_not_found_under_another_credential_nor_under_its_leaf_hash_alone(any_site):
    name, _ = await _copied(any_site)
    documents = [
        (await any_site.get(f"/api/v1/certificate/{one}/vc", tenant=tenant)).json()
        for one, tenant in ((name, "acme"), ("inference-1", "acme"))
    ]
    first, second = (document["id"].rpartition("/")[2] for document in documents)
    leaf = documents[0]["evidence"][0]["recordDigest"]
    if first == second:
        documents.pop()
    for path in (f"/evidence/{leaf}", f"/evidence/00000000-0000-7000-8000-000000000000/{leaf}"):
        assert (await any_site.client.get(path)).status_code == 404


async def test_an_older_credential_whose_evidence_names_the_leaf_alone_keeps_its_receipt(any_site):
    name, receipt = await _copied(any_site)
    leaf = (await any_site.get(f"/api/v1/certificate/{name}/vc")).json()["evidence"][0]["recordDigest"]
    store = any_site.store()
    async with store._database.write() as connection:
        # As the version before wrote it: the place, and no receipt yet.
        await connection.execute(
            text("INSERT INTO receipt (record_digest, window_id, idx) SELECT :leaf, min(id), 0 FROM telemetry_window"),
            {"leaf": leaf},
        )
    await store.close()
    # Whoever has the same record cannot change that, whatever he has made of it.
    assert (await any_site.get(f"/api/v1/certificate/{name}/vc", tenant="umbra")).status_code == 200
    for _ in range(2):
        served = await any_site.client.get(f"/evidence/{leaf}")
        assert served.status_code == 200
        assert served.json()["window_credential"] == receipt["window_credential"]
