"""What the agent's TPM signs, judged by the verifier."""

import hashlib

import pytest

from agent.tpm.address import parse
from agent.tpm.identity import make_key
from agent.tpm.opening import open_tpm
from agent.tpm.quoting import open_quoter
from schemas.tpm.algorithms import TpmAlg
from schemas.tpm.pcr import extend, window_selection
from schemas.window_header import opening_qualification, quote_qualification
from verifier.attestation.attestation_key import check_attestation_key
from verifier.attestation.errors import QualifyingDataError
from verifier.attestation.quote import check_quote
from verifier.attestation.window import check_opening

NONCE = bytes(range(32))


@pytest.mark.parametrize("scheme", ["ecdsa", "rsapss", "rsassa"])
def test_the_verifier_accepts_the_key_the_opening_and_the_windows(swtpm, tmp_path, scheme):
    with open_tpm(parse(swtpm.uri)) as tpm:
        public = make_key(tpm, tmp_path / "ak.json", scheme)
    key = check_attestation_key(public.encode())
    with open_quoter(parse(swtpm.uri), tmp_path / "ak.json") as quoter:
        made = quoter.open(opening_qualification(None, NONCE))
        opening = check_opening(made.attest, made.signature, key, previous=None, nonce=NONCE, pcrs=made.pcr_values)
        chain = opening.chain_value
        assert quoter.position().value == chain
        for number in range(3):
            window = hashlib.sha256(bytes([number])).digest()
            extra = quote_qualification(window, NONCE)
            made = quoter.sign(chain, window, extra)
            chain = extend(chain, window)
            found = check_quote(
                made.attest,
                made.signature,
                key,
                qualifying_data=extra,
                selections=window_selection(),
                values={TpmAlg.SHA256: made.pcr_values},
            )
            assert found.epoch == quoter.position().epoch
            assert made.pcr_values[15] == chain


def test_the_verifier_refuses_the_quote_of_another_window(swtpm, tmp_path):
    with open_tpm(parse(swtpm.uri)) as tpm:
        key = check_attestation_key(make_key(tpm, tmp_path / "ak.json", "ecdsa").encode())
    with open_quoter(parse(swtpm.uri), tmp_path / "ak.json") as quoter:
        made = quoter.open(quote_qualification(bytes(32), NONCE))
    with pytest.raises(QualifyingDataError):
        check_opening(made.attest, made.signature, key, previous=None, nonce=NONCE, pcrs=made.pcr_values)
