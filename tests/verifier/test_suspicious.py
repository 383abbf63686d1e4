"""Text that does not read as what it is."""

import pytest

from verifier.suspicious import strings_within, why_suspicious


@pytest.mark.parametrize(
    "text",
    ["H100", "Zürich", "Łódź", "Москва", "東京 GPU 7", "naïve ☕ 👩‍💻", "10 µs, Ω cluster", "العربية"],
)
def test_honest_names_in_any_script_are_left_alone(text):
    assert why_suspicious(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [("H100 \u202e001H", "direction"), ("\u2066x\u2069", "direction"), ("NVIDІA", "Cyrillic"), ("Αmazon", "Greek")],
)
def test_reversed_and_imitated_names_are_found(text, reason):
    assert reason in why_suspicious(text)


def test_strings_are_found_wherever_they_stand():
    assert strings_within({"a": ["x", {"b": "y"}], "c": 1, "d": "z"}) == ["x", "y", "z"]
