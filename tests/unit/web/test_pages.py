"""Pages are well-formed and can be used by everybody."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests import factories
from tests.unit.web.browser import HTML, parse, review
from tests.website import Website

CSS = (Path(__file__).parents[3] / "pipeline/web/static/httpca.css").read_text()


def pages(website: Website) -> dict[str, Any]:
    website.introduce()
    client = website.client()
    issued, waiting = website.submit(comment="a < b"), website.submit()
    website.issue(issued)
    found = {
        address: client.get(address)
        for address in ("/", "/ca", "/sign-in", "/requests", "/nothing", "/problems/weak-key")
    }
    found["issued"] = client.get(f"/requests/{issued}")
    found["waiting"] = client.get(f"/requests/{waiting}")
    found["review"] = review(client, factories.openssl_csr().decode())
    found["refused"] = review(client, "nonsense")
    return found


def test_every_page_is_well_formed_and_accessible(website: Website) -> None:
    for name, answer in pages(website).items():
        tree = parse(answer)
        assert tree.get("lang") == "en", name
        assert (tree.findtext(f".//{HTML}title") or "").endswith("HttpCA"), name
        assert len(list(tree.iter(f"{HTML}h1"))) == 1, name
        assert len(list(tree.iter(f"{HTML}main"))) == 1, name
        ids = [element.get("id") for element in tree.iter() if element.get("id")]
        assert len(ids) == len(set(ids)), name
        labels = {label.get("for") for label in tree.iter(f"{HTML}label")}
        for kind in ("input", "textarea", "select"):
            for field in tree.iter(f"{HTML}{kind}"):
                assert field.get("type") == "hidden" or field.get("id") in labels, name
        for element in tree.iter():
            for attribute in ("aria-describedby", "aria-labelledby"):
                if element.get(attribute):
                    assert element.get(attribute) in ids, name
        for picture in tree.iter(f"{HTML}img"):
            assert picture.get("alt") is not None, name
        for form in tree.iter(f"{HTML}form"):
            names = [field.get("name") for field in form.iter(f"{HTML}input")]
            assert form.get("method") != "post" or "csrf_token" in names, name
        levels = [
            int(tag.tag[-1]) for tag in tree.iter() if re.fullmatch(r".*\}h[1-6]", str(tag.tag))
        ]
        assert all(after - before <= 1 for before, after in pairwise(levels))


def colours(scheme: str) -> dict[str, str]:
    block = CSS.partition(scheme)[2].partition("}")[0]
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [":root {", "prefers-color-scheme: dark) {\n  :root {"])
def test_every_text_has_enough_contrast(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    of = colours(scheme)
    pairs = [(ink, ground) for ink in ("ink", "quiet") for ground in ("ground", "raised", "code")]
    pairs += [
        (ink, ground)
        for ink in ("accent", "good", "warn", "bad")
        for ground in ("ground", "raised")
    ]
    pairs += [("accent-ink", "accent"), ("ink", "warn-ground"), ("ink", "bad-ground")]
    pairs += [("bad", "bad-ground")]
    for ink, ground in pairs:
        light, dark = sorted((luminance(of[ink]), luminance(of[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)
