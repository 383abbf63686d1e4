import msgspec
import pytest

from issuer import node_details
from issuer.errors import EnrolmentError, UnknownRegionError
from issuer.node_details import NodeDetails

GOOD = NodeDetails(node_id="node-9", tenant_id="acme", grid_region="CAMX", tdp_w=700)


def with_(**changes: object) -> NodeDetails:
    return msgspec.structs.replace(GOOD, **changes)


def test_good_details_are_taken() -> None:
    assert node_details.checked(GOOD) == GOOD


def test_the_region_is_kept_as_its_source_spells_it() -> None:
    assert node_details.checked(with_(grid_region="de")).grid_region == "DEU"


@pytest.mark.parametrize("region", ["", "California", "CAMX'", "../", "%00", "CAMX; DROP TABLE node"])
def test_an_unknown_region_is_refused(region: str) -> None:
    with pytest.raises(UnknownRegionError):
        node_details.checked(with_(grid_region=region))


@pytest.mark.parametrize("tdp_w", [0, -1, node_details.MAX_TDP_W + 1])
def test_an_impossible_power_is_refused(tdp_w: int) -> None:
    with pytest.raises(EnrolmentError, match="tdp_w"):
        node_details.checked(with_(tdp_w=tdp_w))


@pytest.mark.parametrize("node_id", ["", "-a", "a b", "a/b", "ä", "a" * 65, "a\n"])
def test_a_node_id_outside_its_alphabet_is_refused(node_id: str) -> None:
    with pytest.raises(EnrolmentError, match="node_id"):
        node_details.checked(with_(node_id=node_id))


@pytest.mark.parametrize("model", ["", "A\x00", "x" * 257, "\ufffe"])
def test_an_accelerator_name_that_cannot_be_signed_is_refused(model: str) -> None:
    with pytest.raises(EnrolmentError, match="accelerator_model"):
        node_details.checked(with_(accelerator_model=model))


@pytest.mark.parametrize("pue", ["1", "1.12", "3", "2.999"])
def test_a_pue_between_one_and_three_is_taken(pue: str) -> None:
    node_details.checked(with_(pue=pue, pue_kind="reported", pue_source="operator, 2025"))


@pytest.mark.parametrize("pue", ["0.999", "3.001", "1.1234", "1.10", "1,1", "", "-1", "1e0", "NaN"])
def test_any_other_pue_is_refused(pue: str) -> None:
    with pytest.raises(EnrolmentError, match="pue"):
        node_details.checked(with_(pue=pue))


@pytest.mark.parametrize("member", ["pue_kind", "pue_source"])
def test_the_origin_of_a_pue_needs_the_pue(member: str) -> None:
    with pytest.raises(EnrolmentError, match="pue: missing"):
        node_details.checked(with_(**{member: "default"}))


@pytest.mark.parametrize("subject", [None, "did:web:customer.example", "https://customer.example/"])
def test_a_tenant_is_named_by_an_absolute_iri_or_not_at_all(subject: str | None) -> None:
    node_details.check_tenant_subject(subject)


@pytest.mark.parametrize("subject", ["", "Acme", "/acme", "https://a b", "urn:<x>", "gc:tenant"])
def test_another_name_of_a_tenant_is_refused(subject: str) -> None:
    with pytest.raises(EnrolmentError, match="IRI"):
        node_details.check_tenant_subject(subject)
