"""Reading a policy from its TOML file: all is right, or an error says what is not and where."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec
import rfc8785

from pipeline.crypto.names import Kind
from pipeline.crypto.profile import (
    ExtraExtensions,
    ExtraSubject,
    Lint,
    Profile,
    ProfileError,
    SubjectAttribute,
)
from pipeline.crypto.usages import KeyUsage, Power
from pipeline.errors import SettingsError
from pipeline.signer import people
from pipeline.signer.people import TABLES, People, PeopleError
from pipeline.signer.policy import Policy
from pipeline.signer.rules import Action, Day, OverLimit, Rule, RuleError
from pipeline.signer.toml_lines import line_of
from settings.load import TYPES

Default = Literal["approve", "reject"]
_T = TypeVar("_T", Profile, Rule)

_TOP: Final = ("default", "profiles", "rules", *TABLES)
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "action": get_args(Action),
    "key_usage": get_args(KeyUsage),
    "names": get_args(Kind),
    "lint": get_args(Lint),
    "days": get_args(Day),
    "over_limit": get_args(OverLimit),
    "powers": get_args(Power),
    "subject_from_csr": get_args(SubjectAttribute),
    "subject_required": get_args(SubjectAttribute),
    "extra_subject": get_args(ExtraSubject),
    "extra_extensions": get_args(ExtraExtensions),
}


def load(path: Path, issuers: Sequence[str] | None = None) -> Policy:
    """Read a policy file.

    ``issuers`` are the names of the issuing CAs that profiles may name; None when nobody knows.

    Raises:
        SettingsError: file, key, line where it can be told, what was found and what is allowed.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SettingsError(path, "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(path, "", "is not text in UTF-8") from None
    return _PolicyFile(path, text, issuers).policy()


_PREPARED: Final = msgspec.json.Decoder(Rule)
"""Made at import, for what it does to the class: see ``pipeline.messages``. Several threads of a clock
read the policy at their start."""


class _PolicyFile:
    """The file's text and what it holds, with the place of each error."""

    def __init__(self, path: Path, text: str, issuers: Sequence[str] | None) -> None:
        self.path = path
        self.issuers = issuers
        self.text = text
        try:
            self.content = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # also of endless numbers, and of deep lists
            raise SettingsError(path, "", f"is not TOML: {error}") from None

    def policy(self) -> Policy:
        for key in self.content:
            if key not in _TOP:
                raise self._wrong("", None, key, f"is not known; allowed are {_listed(_TOP)}")
        default = self.content.get("default", "approve")
        if default not in get_args(Default):
            allowed = _listed(get_args(Default))
            problem = f"found {default!r}; allowed are {allowed} (to sign, end with such a rule)"
            raise self._wrong("", None, "default", problem)
        profiles = self._profiles()
        known = self._people()
        rules = self._rules(profiles, known)
        content = {
            "default": default,
            "people": known.snapshot(),
            "profiles": {name: profile.snapshot for name, profile in profiles.items()},
            "rules": [rule.snapshot for rule in rules],
        }
        digest = hashlib.sha256(rfc8785.dumps(content)).hexdigest()
        return Policy(profiles, rules, default, digest, known)

    def _profiles(self) -> dict[str, Profile]:
        tables = self.content.get("profiles")
        if not isinstance(tables, dict) or not tables:
            raise self._wrong(
                "", None, "profiles", "there is none; write at least one table [profiles.NAME]"
            )
        profiles = {}
        for name, table in tables.items():
            where = f"profiles.{name}"
            if not isinstance(table, dict):
                raise self._wrong("profiles", None, name, f"write it as a table, [{where}]")
            if "name" in table:
                raise self._wrong(where, None, "name", "the table's header names the profile")
            if not name.isprintable() or not 1 <= len(name) <= 60:
                raise self._wrong(where, None, None, "a name is 1 to 60 visible characters")
            profiles[name] = self._convert(Profile, {**table, "name": name}, where, None)
            self._check_issuer(profiles[name].issuer, where)
        return profiles

    def _check_issuer(self, issuer: str, where: str) -> None:
        if issuer and self.issuers is not None and issuer not in self.issuers:
            allowed = _listed(self.issuers)
            problem = f"there is no issuer {issuer!r} that takes what is new; allowed are {allowed}"
            raise self._wrong(where, None, "issuer", problem)

    def _people(self) -> People:
        try:
            return people.read(self.content)
        except PeopleError as error:
            raise self._wrong(error.table, None, error.key, error.problem) from None

    def _rules(self, profiles: dict[str, Profile], known: People) -> tuple[Rule, ...]:
        tables = self.content.get("rules", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._wrong("", None, "rules", "write each rule as a table, [[rules]]")
        rules: list[Rule] = []
        for index, table in enumerate(tables):
            rule = self._convert(Rule, table, "rules", index)
            if any(rule.name == other.name for other in rules):
                raise self._wrong("rules", index, "name", f"{rule.name!r} is used twice")
            for key, problem in _dangling(rule, profiles, known):
                raise self._wrong("rules", index, key, problem)
            rules.append(rule)
        return tuple(rules)

    def _convert(self, kind: type[_T], table: dict[str, Any], where: str, index: int | None) -> _T:
        for key in table:
            if key not in kind.__struct_fields__:
                allowed = _listed(field for field in kind.__struct_fields__ if field != "name")
                raise self._wrong(where, index, key, f"is not known; allowed are {allowed}")
        try:
            return msgspec.convert(table, kind)
        except msgspec.ValidationError as error:
            cause = error.__cause__
            if isinstance(cause, (ProfileError, RuleError)):
                raise self._wrong(where, index, cause.key, cause.problem) from None
            field, problem = _from_msgspec(str(error), table)
            raise self._wrong(where, index, field, problem) from None

    def _wrong(self, table: str, index: int | None, key: str | None, problem: str) -> SettingsError:
        """Return the error, with the place as ``rules[1].action (line 14)``."""
        place = table if index is None else f"{table}[{index}]"
        full_key = ".".join(part for part in (place, key) if part)
        line = line_of(self.text, table, index, key)
        return SettingsError(self.path, full_key + (f" (line {line})" if line else ""), problem)


def _dangling(
    rule: Rule, profiles: Mapping[str, Profile], known: People
) -> Iterator[tuple[str, str]]:
    """Yield what the rule names and the file does not have, and a quorum that no set can reach."""
    for name in rule.profiles or ():
        if name not in profiles:
            yield (
                "profiles",
                f"there is no profile {name!r}; allowed are {_listed(profiles)}",
            )
        elif beyond := rule.powers_beyond(profiles[name].powers):
            problem = (
                f"this rule signs profile {name!r} at once, which gives {_listed(beyond)}; write"
                f" powers = {json.dumps(beyond)} to accept that, or let an approver decide"
            )
            yield "powers", problem
    for name in rule.groups or ():
        if name not in known.groups:
            allowed = _listed(known.groups) or "none, since there is no table [groups]"
            yield "groups", f"there is no group {name!r}; allowed are {allowed}"
    if rule.approvers is None:
        return
    if rule.approvers not in known.approvers:
        allowed = _listed(known.approvers) or "none, since there is no table [approvers]"
        yield "approvers", f"there is no set {rule.approvers!r}; allowed are {allowed}"
    elif len(known.approvers[rule.approvers]) < rule.quorum:
        count = len(known.approvers[rule.approvers])
        problem = (
            f"found {rule.quorum}, but the set {rule.approvers!r} has {count}, so that nobody could"
            f" approve anything; allowed are 1 to {count}"
        )
        yield "quorum", problem


def _from_msgspec(message: str, table: dict[str, Any]) -> tuple[str | None, str]:
    """Return (key, problem) in our words from ``Expected `int`, got `str` - at `$.x```."""
    problem, _, place = message.partition(" - at `$.")
    key = place.rstrip("`").partition("[")[0] or None
    if key is None:
        # "Object missing required field `action`"
        missing = problem.partition("`")[2].rstrip("`")
        return missing or None, "is missing"
    if key in _CHOICES:
        return key, f"found {table[key]!r}; allowed are {_listed(_CHOICES[key])}"
    for word, meaning in TYPES.items():
        if problem.startswith(f"Expected `{word}"):
            return key, f"found {table[key]!r}; it must be {meaning}"
    return key, f"found {table[key]!r}: {problem}"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values)
