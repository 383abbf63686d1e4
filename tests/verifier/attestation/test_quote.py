"""What a quote must be, each lie signed correctly."""

import pytest

from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.errors import TpmStructureError
from schemas.tpm.pcr import PcrSelection, window_selection
from tests.fakes.soft_tpm import P384, QUOTED, RSAPSS, RSASSA, SHA1, SHA256, SHA384, Attested, SoftTpm, composite
from verifier.attestation.errors import (
    NotAQuoteError,
    PcrDigestError,
    PcrSelectionError,
    QualifyingDataError,
    QuoteSignatureError,
)
from verifier.attestation.quote import check_quote

EXTRA = b"\x11" * 32
VALUES = {index: bytes([index]) * 32 for index in QUOTED}
TPM = SoftTpm()


def attested(tpm=TPM, **changes):
    fields = {"extra": EXTRA, "digest": composite(VALUES, tpm.hash_algorithm), "clock_ms": 1234} | changes
    return Attested(**fields).pack()


def checked(raw, tpm=TPM, *, signature=None, values=VALUES, selections=None):
    return check_quote(
        raw,
        tpm.sign(raw) if signature is None else signature,
        tpm.key,
        qualifying_data=EXTRA,
        selections=selections or window_selection(),
        values={TpmAlg.SHA256: values},
    )


@pytest.mark.parametrize(
    "tpm",
    [TPM, SoftTpm(curve=P384, key_curve=P384, hash_algorithm=SHA384), SoftTpm(scheme=RSASSA), SoftTpm(scheme=RSAPSS)],
    ids=["ECDSA P-256", "ECDSA P-384", "RSASSA", "RSAPSS"],
)
def test_an_honest_quote_says_when_and_over_what(tpm):
    quote = checked(attested(tpm, reset=3, restart=4), tpm)
    assert (quote.epoch, quote.clock_info.clock_ms, quote.clock_info.safe) == ((3, 4), 1234, True)
    assert quote.firmware_version == 0x2019_1023_0016_3636
    assert quote.values == {TpmAlg.SHA256: VALUES}


def test_another_magic_is_refused():
    with pytest.raises(NotAQuoteError) as caught:
        checked(attested(magic=0xFF544348))
    assert caught.value.status == 401


@pytest.mark.parametrize("kind", [0x8014, 0x8015, 0x8016, 0x8017, 0x8019, 0x801A, 0x801C])
def test_another_kind_of_attestation_is_no_quote(kind):
    with pytest.raises(NotAQuoteError):
        checked(attested(kind=kind))


def test_a_certified_key_is_no_quote():
    certify = attested(kind=0x8017)[: -(4 + 6 + 34)] + (b"\x00\x22" + b"\x00\x0b" + bytes(32)) * 2
    with pytest.raises(NotAQuoteError, match="0x8017"):
        checked(certify)


def test_an_unknown_kind_is_no_quote():
    with pytest.raises(NotAQuoteError):
        checked(attested(kind=0x8099))


def test_bytes_that_are_cut_off_or_left_over_are_malformed():
    for raw in (attested()[:-1], attested() + b"\0", b""):
        with pytest.raises(TpmStructureError) as caught:
            checked(raw)
        assert caught.value.status == 400


def test_a_signature_that_is_cut_off_or_goes_on_is_malformed():
    raw = attested()
    for signature in (TPM.sign(raw)[:-1], TPM.sign(raw) + b"\0", b""):
        with pytest.raises(TpmStructureError):
            checked(raw, signature=signature)


def test_a_size_that_lies_is_malformed():
    raw = attested()
    with pytest.raises(TpmStructureError):
        checked(raw[:6] + b"\xff\xff" + raw[8:])


def test_a_count_of_selections_that_overflows_is_malformed():
    raw = attested()
    count = b"\x00\x00\x00\x01\x00\x0b\x03"
    for lie in (b"\x80\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x11"):
        with pytest.raises(TpmStructureError):
            checked(raw.replace(count, lie + count[4:]))


def test_a_boolean_that_is_none_is_malformed():
    with pytest.raises(TpmStructureError, match="safe is 2"):
        checked(attested(safe=2))


def test_a_signature_by_another_key_is_refused():
    raw = attested()
    with pytest.raises(QuoteSignatureError):
        checked(raw, signature=SoftTpm(seed=8).sign(raw))


def test_a_signature_over_something_else_is_refused():
    with pytest.raises(QuoteSignatureError):
        checked(attested(), signature=TPM.sign(attested(clock_ms=1235)))


@pytest.mark.parametrize("extra", [b"\x12" * 32, EXTRA[:20], EXTRA + b"\0", b""])
def test_qualifying_data_of_something_else_is_refused(extra):
    with pytest.raises(QualifyingDataError):
        checked(attested(extra=extra))


@pytest.mark.parametrize(
    "selection",
    [
        (),
        ((SHA256, ()),),
        ((SHA256, QUOTED[:-1]),),
        ((SHA256, tuple(index for index in QUOTED if index != 10)),),
        ((SHA256, (*QUOTED, 16)),),
        ((SHA1, QUOTED),),
        ((SHA384, QUOTED),),
        ((SHA256, QUOTED), (SHA256, QUOTED)),
        ((SHA256, QUOTED), (SHA1, (0,))),
        ((SHA256, QUOTED[:5]), (SHA256, QUOTED[5:])),
    ],
    ids=str,
)
def test_a_quote_over_other_registers_is_refused(selection):
    with pytest.raises(PcrSelectionError):
        checked(attested(selection=selection))


def test_values_besides_those_quoted_are_refused():
    with pytest.raises(PcrSelectionError):
        checked(attested(), values={**VALUES, 9: bytes(32)})


def test_a_missing_value_is_refused():
    with pytest.raises(PcrSelectionError):
        checked(attested(), values={index: value for index, value in VALUES.items() if index != 7})


def test_values_of_another_bank_are_refused():
    raw = attested()
    with pytest.raises(PcrSelectionError):
        check_quote(
            raw,
            TPM.sign(raw),
            TPM.key,
            qualifying_data=EXTRA,
            selections=window_selection(),
            values={TpmAlg.SHA256: VALUES, TpmAlg.SHA1: {0: bytes(20)}},
        )


@pytest.mark.parametrize("index", QUOTED)
def test_a_value_that_is_not_the_one_quoted_is_refused(index):
    with pytest.raises(PcrDigestError):
        checked(attested(), values={**VALUES, index: b"\x77" * 32})


def test_values_that_were_swapped_are_refused():
    with pytest.raises(PcrDigestError):
        checked(attested(), values={**VALUES, 0: VALUES[1], 1: VALUES[0]})


@pytest.mark.parametrize("length", [0, 20, 31, 33, 48])
def test_a_value_of_another_length_is_refused(length):
    with pytest.raises(PcrDigestError):
        checked(attested(), values={**VALUES, 3: bytes(length)})


def test_a_digest_by_another_hash_than_the_keys_is_refused():
    with pytest.raises(PcrDigestError):
        checked(attested(digest=composite(VALUES, SHA384)))


def test_another_register_may_hold_the_chain():
    indices = (*QUOTED[:-1], 14)
    values = {index: bytes([index]) * 32 for index in indices}
    raw = attested(selection=((SHA256, indices),), digest=composite(values, SHA256, indices))
    assert checked(raw, values=values, selections=window_selection(14)).epoch == (1, 0)
    assert window_selection(14) == (PcrSelection(TpmAlg.SHA256, indices),)
