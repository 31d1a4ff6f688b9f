"""Names that look like other names."""

import idna
import pytest

from pipeline.approve.homographs import warnings
from pipeline.crypto import names


def of(text: str) -> list[str]:
    labels = [
        label if label.isascii() else idna.alabel(label).decode() for label in text.split(".")
    ]
    return warnings(names.dns(".".join(labels)))


@pytest.mark.parametrize(
    "text", ["www.example.com", "münchen.example", "ελλάδα.example", "例え.example", "россия.рф"]
)
def test_an_honest_name_gets_no_warning(text: str) -> None:
    assert of(text) == []


def test_mixed_scripts_are_told() -> None:
    assert of("pаypal.example")[0] == "“pаypal” mixes the scripts Cyrillic and Latin"  # noqa: RUF001


def test_a_whole_label_of_look_alikes_is_told() -> None:
    assert of("аррӏе.example") == ["“аррӏе” looks like “apple” and is another name"]  # noqa: RUF001


def test_an_e_mail_address_is_judged_by_its_domain() -> None:
    domain = idna.alabel("аррӏе").decode() + ".example"  # noqa: RUF001
    assert warnings(names.email(f"user@{domain}"))


def test_japanese_mixes_scripts_honestly() -> None:
    assert of("日本のサイトabc.example") == []
