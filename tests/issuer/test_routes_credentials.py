"""Credentials by id, and the VC API's issuing and status routes."""

from __future__ import annotations

import pytest

from schemas import status as status_format
from tests.fakes.site import bearer, problem

ISSUE = "/credentials/issue"
STATUS = "/credentials/status"
FOREIGN = {
    "@context": ["https://www.w3.org/2018/credentials/v1"],
    "type": ["VerifiableCredential"],
    "credentialSubject": {"id": "did:web:customer.example"},
}


async def test_a_credential_is_found_by_its_url_path(any_site):
    issued = await any_site.telemetry()
    path = issued.headers["location"].removeprefix(any_site.settings.public_url)
    assert (await any_site.get(path)).content == issued.content


async def test_another_tenants_credential_is_not_found(any_site):
    issued = await any_site.telemetry()
    path = issued.headers["location"].removeprefix(any_site.settings.public_url)
    answer = await any_site.get(path, tenant="umbra")
    assert answer.status_code == 404
    assert problem(answer) == "NOT_FOUND"


@pytest.mark.parametrize("name", ["x", "%2e%2e", "019aa2c4-6d00-7a10-8f00-00000000000G", "%00", "%FF"])
async def test_what_names_no_credential_is_not_found(site, name):
    assert (await site.get(f"/credentials/{name}")).status_code == 404


async def test_a_credential_of_another_type_is_signed_on_request(any_site):
    answer = await any_site.post(ISSUE, {"credential": FOREIGN}, bearer("acme", "issue"))
    assert answer.status_code == 201, answer.text
    credential = answer.json()["verifiableCredential"]
    assert credential["issuer"] == "did:web:oracle.example"
    assert credential["proof"]["type"] == "JsonWebSignature2020"
    assert credential["credentialStatus"]["type"] == "StatusList2021Entry"
    assert answer.headers["location"] == credential["id"]


async def test_a_green_compute_credential_is_never_issued_on_request(site):
    credential = (await site.telemetry()).json()
    del credential["proof"], credential["credentialStatus"], credential["id"]
    answer = await site.post(ISSUE, {"credential": credential}, bearer("acme", "issue"))
    assert answer.status_code == 422
    assert problem(answer) == "CREDENTIAL_REFUSED"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"credential": "x"},
        {"credential": FOREIGN, "options": {"type": "Ed25519Signature2020"}},
        {"credential": FOREIGN, "role": "admin"},
        {"verifiableCredential": FOREIGN},
    ],
)
async def test_a_malformed_request_to_issue_is_a_problem(site, body):
    answer = await site.post(ISSUE, body, bearer("acme", "issue"))
    assert answer.status_code == 400
    problem(answer)


async def test_a_key_of_every_tenant_says_for_whom_it_issues(site):
    headers = bearer("all", "issue")
    assert (await site.post(ISSUE, {"credential": FOREIGN}, headers)).status_code == 400
    assert (await site.post(f"{ISSUE}?tenant=umbra", {"credential": FOREIGN}, headers)).status_code == 201


def _update(credential_id, purpose, status):
    entry = {"type": "StatusList2021Entry", "status": status, "statusPurpose": purpose}
    return {"credentialId": credential_id, "credentialStatus": [entry]}


async def _bit(site, credential, member):
    entry = credential["credentialStatus"]
    path = entry[member].removeprefix(site.settings.public_url)
    document = (await site.client.get(path)).json()
    bits = status_format.decode_list(document["credentialSubject"]["encodedList"])
    return status_format.get(bits, int(entry["statusListIndex"]))


async def test_revoking_sets_the_bit_in_the_published_list(any_site):
    credential = (await any_site.telemetry()).json()
    assert not await _bit(any_site, credential, "statusListCredential")
    answer = await any_site.post(STATUS, _update(credential["id"], "revocation", "1"), bearer("acme", "status"))
    assert answer.status_code == 200
    assert answer.json() == {"credentialId": credential["id"], "revoked": True, "suspended": False, "changed": True}
    assert await _bit(any_site, credential, "statusListCredential")
    assert not await _bit(any_site, credential, "suspensionListCredential")


async def test_suspending_and_reinstating_sets_and_clears_the_bit(any_site):
    credential = (await any_site.telemetry()).json()
    headers = bearer("acme", "status")
    assert (await any_site.post(STATUS, _update(credential["id"], "suspension", "1"), headers)).json()["suspended"]
    assert await _bit(any_site, credential, "suspensionListCredential")
    answer = await any_site.post(STATUS, _update(credential["id"], "suspension", "0"), headers)
    assert not answer.json()["suspended"]
    assert not await _bit(any_site, credential, "suspensionListCredential")


async def test_a_revocation_never_reverts(any_site):
    credential = (await any_site.telemetry()).json()
    headers = bearer("acme", "status")
    await any_site.post(STATUS, _update(credential["id"], "suspension", "1"), headers)
    await any_site.post(STATUS, _update(credential["id"], "revocation", "1"), headers)
    for purpose, bit in (("revocation", "0"), ("suspension", "0"), ("suspension", "1")):
        answer = await any_site.post(STATUS, _update(credential["id"], purpose, bit), headers)
        assert answer.status_code == 409
        assert problem(answer) == "CONFLICT"
        assert "its record gets no second one" in answer.json()["detail"]
    assert await _bit(any_site, credential, "statusListCredential")


async def test_revoking_again_changes_nothing(site):
    credential = (await site.telemetry()).json()
    headers = bearer("acme", "status")
    await site.post(STATUS, _update(credential["id"], "revocation", "1"), headers)
    answer = await site.post(STATUS, _update(credential["id"], "revocation", "1"), headers)
    assert answer.status_code == 200
    assert answer.json()["changed"] is False


async def test_clearing_a_bit_that_is_not_set_changes_nothing(site):
    credential = (await site.telemetry()).json()
    answer = await site.post(STATUS, _update(credential["id"], "revocation", "0"), bearer("acme", "status"))
    assert answer.json() == {"credentialId": credential["id"], "revoked": False, "suspended": False, "changed": False}


async def test_another_tenant_revokes_nothing(any_site):
    credential = (await any_site.telemetry()).json()
    answer = await any_site.post(STATUS, _update(credential["id"], "revocation", "1"), bearer("umbra", "status"))
    assert answer.status_code == 404
    assert not await _bit(any_site, credential, "statusListCredential")


async def test_one_change_may_stand_without_a_list_and_without_a_purpose(site):
    credential = (await site.telemetry()).json()
    body = {"credentialId": credential["id"], "credentialStatus": {"type": "BitstringStatusListEntry", "status": "1"}}
    assert (await site.post(STATUS, body, bearer("acme", "status"))).json()["revoked"]


async def test_the_audit_log_says_whose_key_revoked(site):
    credential = (await site.telemetry()).json()
    await site.post(STATUS, _update(credential["id"], "revocation", "1"), bearer("acme", "status"))
    store = site.store()
    entries = await store.log.page(target=credential["id"].rpartition("/")[2])
    await store.close()
    assert [(entry.actor, entry.action) for entry in entries] == [("api-key:acme-status", "revoke")]


_ENTRY = {"type": "StatusList2021Entry", "status": "1"}


@pytest.mark.parametrize(
    "change",
    [
        {"credentialStatus": []},
        {"credentialStatus": [_ENTRY, _ENTRY]},
        {"credentialStatus": [_ENTRY | {"status": "2"}]},
        {"credentialStatus": [_ENTRY | {"status": 1}]},
        {"credentialStatus": [_ENTRY | {"statusPurpose": "message"}]},
        {"credentialStatus": [_ENTRY | {"type": "X"}]},
        {"credentialStatus": [_ENTRY | {"statusListIndex": "5"}]},
        {"credentialStatus": None},
        {"credentialId": None},
        {"tenant_id": "umbra"},
    ],
)
async def test_a_malformed_status_update_is_a_problem(site, change):
    credential = (await site.telemetry()).json()
    answer = await site.post(STATUS, _update(credential["id"], "revocation", "1") | change, bearer("acme", "status"))
    assert answer.status_code == 400
    assert problem(answer) == "SCHEMA_INVALID"


@pytest.mark.parametrize(
    "name", ["inference-1", "https://other.example/credentials/x", "", "019aa2c4-6d00-7a10-8f00-000000000099"]
)
async def test_the_status_of_what_is_not_there_is_not_found(site, name):
    await site.telemetry()
    answer = await site.post(STATUS, _update(name, "revocation", "1"), bearer("acme", "status"))
    assert answer.status_code == 404
