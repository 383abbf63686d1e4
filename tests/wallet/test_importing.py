import json

import pytest

from schemas.errors import GreenError
from tests.fakes.verifier import INDEX, MemoryFetcher, World, edited, put
from verifier.report import Outcome
from wallet.archive import Archive
from wallet.errors import RefusedCredentialError
from wallet.importing import take_in


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "credentials")


async def take(world: World, archive: Archive, value=None, *, online: bool = True):
    raw = json.dumps(value or world.credential()).encode()
    return await take_in(raw, archive, MemoryFetcher(world.served()) if online else None, world.now)


async def test_a_good_credential_is_kept_with_its_verdict(archive) -> None:
    held, report, new = await take(World(), archive)
    assert (report.outcome, new) == (Outcome.VERIFIED, True)
    assert list(archive.all()) == [held]


async def test_importing_it_again_keeps_one(archive) -> None:
    value = World().credential()
    await take(World(), archive, value)
    _, _, new = await take(World(), archive, value)
    assert not new
    assert len(list(archive.all())) == 1


async def test_a_revoked_credential_is_not_kept(archive) -> None:
    with pytest.raises(RefusedCredentialError, match="REVOKED"):
        await take(World(bits={"revocation": {INDEX}}), archive)
    assert list(archive.all()) == []


async def test_a_forged_credential_is_not_kept(archive) -> None:
    world = World()
    with pytest.raises(RefusedCredentialError, match="PROOF_VERIFICATION_ERROR"):
        await take(world, archive, edited(world.credential(), put("credentialSubject.nodeId", "node-8")))


async def test_what_cannot_be_checked_now_is_kept_and_said_to_be_inconclusive(archive) -> None:
    _, report, _ = await take(World(), archive, online=False)
    assert report.outcome is Outcome.INCONCLUSIVE
    assert len(list(archive.all())) == 1


async def test_a_simulated_figure_is_kept_since_holding_is_not_relying(archive) -> None:
    def simulated(value) -> None:
        value["type"].append("SimulatedCredential")
        value["credentialSubject"]["assurance"] = "simulated"
        value["credentialSubject"]["measurementMethod"] = "modelled"

    from tests.fakes.verifier import telemetry_record

    world = World(record=telemetry_record(method="modelled", simulated=True))
    _, report, _ = await take(world, archive, world.credential(simulated))
    assert report.outcome is Outcome.VERIFIED
    assert "SIMULATED" in {finding.problem for finding in report.warnings}


async def test_what_is_no_credential_is_refused_before_anything_is_fetched(archive) -> None:
    fetcher = MemoryFetcher({})
    with pytest.raises(GreenError):
        await take_in(b'{"type":"Other"}', archive, fetcher, World().now)
    assert fetcher.asked == []
