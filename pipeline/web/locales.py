"""Languages: English in the source, the rest in catalogues; as chosen, or as the browser asks."""

from pathlib import Path
from typing import Final

from flask import Flask, current_app, has_request_context, request, session
from flask_babel import Babel, get_locale

DIRECTORY: Final = Path(__file__).with_name("translations")

SOURCE: Final = "en"

LONGEST: Final = 1000
"""Characters of the languages that somebody asks for: to read thousands of them would hold up everybody
else, so a longer list is none."""

NAMES: Final = {"en": "English", "de": "Deutsch"}
"""Each language in itself."""


def set_up(app: Flask, directory: Path = DIRECTORY) -> None:
    """Let the application speak English and whatever has a compiled catalogue in ``directory``."""
    found = {path.parent.parent.name for path in directory.glob("*/LC_MESSAGES/messages.mo")}
    app.config["LOCALES"] = [SOURCE, *sorted(found - {SOURCE})]
    Babel(
        app,
        default_locale=SOURCE,
        default_timezone="UTC",
        default_translation_directories=str(directory),
        locale_selector=choose,
    )


def choose() -> str:
    """Return the language of the answer: on pages the one chosen, else the best of those asked for."""
    if not has_request_context():
        return SOURCE
    offered: list[str] = current_app.config["LOCALES"]
    chosen = session.get("language")
    if chosen in offered and not request.path.startswith("/api/"):
        return str(chosen)
    if len(request.headers.get("Accept-Language", "")) > LONGEST:
        return SOURCE
    return request.accept_languages.best_match(offered, SOURCE)


def current() -> str:
    """Return the language of the answer as an HTML ``lang``."""
    locale = get_locale()
    return SOURCE if locale is None else str(locale).replace("_", "-")


def offered() -> list[tuple[str, str]]:
    """Return the languages to choose from, as code and name."""
    return [(code, NAMES.get(code, code)) for code in current_app.config["LOCALES"]]
