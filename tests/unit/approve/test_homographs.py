"""Names that look like other names."""

# ruff: noqa: RUF001, RUF003 - letters that look like others are what this is about

import unicodedata

import idna
import pytest

from pipeline.approve.homographs import _LOOKS_LIKE, warnings
from pipeline.crypto import names


def of(text: str) -> list[str]:
    labels = [
        label if label.isascii() else idna.alabel(label).decode() for label in text.split(".")
    ]
    return warnings(names.dns(".".join(labels)))


@pytest.mark.parametrize(
    "text",
    [
        "www.example.com",
        "münchen.example",
        "ελλάδα.example",
        "例え.example",
        "россия.рф",
        "佐々木.example",  # 々 goes with Han
        "ʻōlelo.example",  # ʻ goes with any script
        "việtnam.example",
        "l·l.example",
        "한국abc.example",
        "বাংলা২০২৬.example",  # digits of its own script
        "host2026.example",
    ],
)
def test_an_honest_name_gets_no_warning(text: str) -> None:
    assert of(text) == []


def test_mixed_scripts_are_told() -> None:
    assert of("pаypal.example")[0] == "“pаypal” mixes the scripts Cyrillic and Latin"


def test_a_whole_label_of_look_alikes_is_told() -> None:
    assert of("аррӏе.example") == ["“аррӏе” looks like “apple” and is another name"]


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("νονο", "vovo"),  # Greek
        ("սոոո", "unnn"),  # Armenian
        ("хуz", "xyz"),  # Cyrillic, and a Latin z
        ("ɡooɡle", "google"),  # Latin outside ASCII
    ],
)
def test_each_script_with_look_alikes_is_known(text: str, twin: str) -> None:
    assert f"“{text}” looks like “{twin}” and is another name" in of(f"{text}.example")


def test_digits_of_another_script_are_told() -> None:
    assert of("g০০gle.example") == [
        "“g০০gle” mixes the scripts Bengali and Latin",
        "“g০০gle” looks like “google” and is another name",
    ]


def test_every_look_alike_may_stand_in_a_name() -> None:
    """What IDNA 2008 refuses needs no warning, and would only hide a mistake in the table."""
    for letter, twin in _LOOKS_LIKE.items():
        assert twin.isascii()
        assert not letter.isascii()
        assert unicodedata.normalize("NFC", letter) == letter
        assert any(is_label(before + letter) for before in ("", "\u0647")), hex(ord(letter))


def is_label(text: str) -> bool:
    try:
        return bool(idna.alabel(text))
    except idna.IDNAError:  # for one, an Arabic digit has to follow an Arabic letter
        return False


def test_an_e_mail_address_is_judged_by_its_domain() -> None:
    domain = idna.alabel("аррӏе").decode() + ".example"
    assert warnings(names.email(f"user@{domain}"))


def test_a_uri_is_judged_by_its_host() -> None:
    domain = idna.alabel("аррӏе").decode() + ".example"
    expected = warnings(names.dns(domain))
    assert expected
    assert warnings(names.uri(f"https://{domain}:8443/a.b")) == expected


def test_japanese_mixes_scripts_honestly() -> None:
    assert of("日本のサイトabc.example") == []
