import re
from pathlib import Path

import pytest

import settings
from pipeline.errors import SettingsError
from pipeline.signer.policy_file import load
from pipeline.signer.toml_lines import line_of
from tests.factories import policy, write

SERVER = "[profiles.server]\n"
RULE = '[[rules]]\nname = "a"\naction = "approve"\n'

A_CA = """[profiles.ca]
ca = true
names = []
key_usage = ["key_cert_sign"]
"""

WRONG_IN_NEW_KEYS = [
    (A_CA, "profiles.ca.permitted_subtrees (line 1): found none, so that this CA could speak for"),
    (
        A_CA + 'permitted_subtrees = ["example.com"]\n',
        "profiles.ca.permitted_subtrees (line 5): found 'example.com'",
    ),
    (A_CA + "unconstrained = true\npath_length = 9\n", "profiles.ca.path_length (line 6): found 9"),
    (
        A_CA + 'path_length = "0"\n',
        "profiles.ca.path_length (line 5): found '0'; it must be a whole",
    ),
    (SERVER + "\npath_length = 1\n", "profiles.server.path_length (line 3): is for CAs only"),
    (
        SERVER + '\nsubject = ["Example"]\n',
        "profiles.server.subject (line 3): found 'Example'; write ATTRIBUTE=VALUE with one of C, ST",
    ),
    (
        SERVER + '\nsubject_from_csr = ["CN", "emailAddress"]\n',
        "subject_from_csr (line 3): found ['CN', 'emailAddress']; allowed are C, ST, L",
    ),
    (
        SERVER + '\nsubject_required = ["O"]\n',
        "subject_required (line 3): 'O' is not in subject_from_csr; add it there, too",
    ),
    (
        SERVER + '\nextra_extensions = "keep"\n',
        "extra_extensions (line 3): found 'keep'; allowed are drop, refuse_dangerous, refuse",
    ),
    (SERVER + "\nextra_subject = 1\n", "extra_subject (line 3): found 1; allowed are drop, refuse"),
    (SERVER + '\nmax_of_kind = ["ip:4"]\n', "max_of_kind (line 3): 'ip:4' limits a kind that"),
    (SERVER + "\nspiffe = true\n", "spiffe (line 3): a SPIFFE ID is a URI; add uri to names"),
    (SERVER + "\nocsp_no_check = true\n", "ocsp_no_check (line 3): is for OCSP responders"),
    (
        SERVER + '\ncertificate_policies = ["1.2.3 not-a-url"]\n',
        "certificate_policies (line 3): found '1.2.3 not-a-url'; write an OID",
    ),
]

WRONG = [
    *WRONG_IN_NEW_KEYS,
    ("default = ", "is not TOML: Invalid value"),
    ("a = 1\na = 2\n", "is not TOML: "),
    ("", "profiles: there is none; write at least one table [profiles.NAME]"),
    ("profiles = 3\n", "profiles (line 1): there is none"),
    ('default = "sing"\n' + SERVER, "default (line 1): found 'sing'; allowed are approve, reject"),
    ('default = "sign"\n' + SERVER, "default (line 1): found 'sign'; allowed are approve, reject"),
    ("defualt = 1\n" + SERVER, "defualt (line 1): is not known; allowed are default, profiles"),
    ("[profiles]\nserver = 3\n", "profiles.server (line 2): write it as a table"),
    (
        SERVER + "\nvalidty = '3d'\n",
        "profiles.server.validty (line 3): is not known; allowed are d",
    ),
    (SERVER + 'name = "x"\n', "profiles.server.name (line 2): the table's header names"),
    ('[profiles.""]\n', "a name is 1 to 60 visible characters"),
    ('[profiles."a\\u001b"]\n', "a name is 1 to 60 visible characters"),
    (SERVER + "validity = 3\n", "profiles.server.validity (line 2): found 3; it must be a text"),
    (SERVER + 'max_names = "3"\n', "max_names (line 2): found '3'; it must be a whole number"),
    (SERVER + 'idn = "no"\n', "profiles.server.idn (line 2): found 'no'; it must be true or false"),
    (SERVER + 'keys = "ed25519"\n', "keys (line 2): found 'ed25519'; it must be a list"),
    (SERVER + "keys = [3]\n", "profiles.server.keys (line 2): found [3]; it must be a text"),
    (
        SERVER + 'names = ["dsn"]\n',
        "names (line 2): found ['dsn']; allowed are dns, ip, email, uri",
    ),
    (SERVER + 'validity = "5q"\n', "validity (line 2): '5q' is not a duration"),
    (
        SERVER + 'key_usage = ["sign"]\n',
        "key_usage (line 2): found ['sign']; allowed are digital_signature, ",
    ),
    (
        '[profiles.client]\nvalidity = "5d"\n\n[profiles."server"]  # ours\n\nvalidity = "5"\n',
        "profiles.server.validity (line 6): '5' is not a duration",
    ),
    ("rules = 3\n" + SERVER, "rules (line 1): write each rule as a table, [[rules]]"),
    (SERVER + "[rules]\n", "rules: write each rule as a table, [[rules]]"),
    (SERVER + RULE + RULE, "rules[1].name (line 6): 'a' is used twice"),
    (SERVER + '[[rules]]\naction = "sign"\n', "rules[0].name (line 2): is missing"),
    (SERVER + '[[rules]]\nname = "a"\n', "rules[0].action (line 2): is missing"),
    (
        SERVER + RULE + RULE.replace('"a"', '"b"').replace("approve", "aprove"),
        "rules[1].action (line 7): found 'aprove'; allowed are sign, approve, reject",
    ),
    (
        SERVER + RULE + 'profiles = ["serevr"]\n',
        "rules[0].profiles (line 5): there is no profile 'serevr'; allowed are server",
    ),
    (
        SERVER + RULE + "every_names = []\n",
        "rules[0].every_names (line 5): is not known; allowed a",
    ),
    (SERVER + RULE + "every_name = []\n", "rules[0].every_name (line 5): found an empty list"),
    (SERVER + RULE + 'any_name = ["*"]\n', "rules[0].any_name (line 5): '*' is not a pattern"),
    (SERVER + RULE + 'requesters = "ci"\n', "requesters (line 5): found 'ci'; it must be a list"),
    (
        SERVER + '[[rules]]\nname = "a"\naction = "sign"\nsources = ["api"]\n',
        "rules[0].trust_web (line 2): this rule signs at once because of sources",
    ),
    (
        SERVER + RULE + 'groups = ["biuld"]\n',
        "rules[0].groups (line 5): there is no group 'biuld'; allowed are none, since there is no",
    ),
    (
        '[groups]\nbuild = ["ci"]\n' + SERVER + RULE + 'groups = ["biuld"]\n',
        "rules[0].groups (line 7): there is no group 'biuld'; allowed are build",
    ),
    (
        SERVER + RULE + 'approvers = "security"\n',
        "rules[0].approvers (line 5): there is no set 'security'; allowed are none",
    ),
    (
        '[approvers]\nsecurity = ["a"]\n' + SERVER + RULE + 'approvers = "security"\nquorum = 2\n',
        "rules[0].quorum (line 8): found 2, but the set 'security' has 1, so that nobody could",
    ),
    ("[groups]\nbuild = []\n" + SERVER, "groups.build (line 2): found []; it must be a list of"),
    ('[groups]\nbuild = "ci"\n' + SERVER, "groups.build (line 2): found 'ci'; it must be a list"),
    ('[approvers]\na = ["b", "b"]\n' + SERVER, "approvers.a (line 2): an entry is listed twice"),
    ("same_person = 3\n" + SERVER, "same_person (line 1): write it as a table, [same_person]"),
    (
        SERVER + RULE + 'days = ["wednesday"]\n',
        "days (line 5): found ['wednesday']; allowed are mon",
    ),
    (SERVER + RULE + "limit = 3\n", "rules[0].limit (line 5): found 3; it must be a text"),
    (
        SERVER + RULE + 'limit = "3/week"\n',
        "rules[0].limit (line 5): found '3/week'; write how many",
    ),
]


@pytest.mark.parametrize(("text", "problem"), WRONG)
def test_a_wrong_file_is_told_with_key_line_and_what_is_allowed(text: str, problem: str) -> None:
    path = write(text, "policy.toml")
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load(tmp_path / "policy.toml")
    with pytest.raises(SettingsError, match="is not text in UTF-8"):
        load(write(b"\xff\xfe", "policy.toml"))


def test_the_shortest_policy_waits_for_an_approver() -> None:
    found = policy(SERVER)
    assert found.default == "approve"
    assert found.rules == ()
    assert found.profiles["server"].name == "server"


def test_the_digest_follows_the_content_and_not_its_layout() -> None:
    digest = policy(SERVER + RULE).digest
    assert len(digest) == 64
    assert policy(f"# comment\n\n{SERVER}\n\n{RULE}").digest == digest
    assert policy(SERVER + "wildcards = false\n" + RULE).digest == digest
    assert policy("default = 'approve'\n" + SERVER + RULE).digest == digest
    for other in (
        SERVER + "wildcards = true\n" + RULE,
        "default = 'reject'\n" + SERVER + RULE,
        SERVER + RULE + "quorum = 2\n",
        SERVER,
        SERVER + RULE + RULE.replace('"a"', '"b"'),
    ):
        assert policy(other).digest != digest


def test_the_order_of_rules_is_part_of_the_digest() -> None:
    second = RULE.replace('"a"', '"b"')
    assert policy(SERVER + RULE + second).digest != policy(SERVER + second + RULE).digest


LINES = """\
top = 1
[a.b]
key = 1
"quoted" = 2
[[rules]]
name = "first"
[[ rules ]]
# name = "not this"
name = "second"
[a."c"]
key = 3
"""


@pytest.mark.parametrize(
    ("table", "index", "key", "line"),
    [
        ("", None, "top", 1),
        ("", None, "absent", None),
        ("a.b", None, "key", 3),
        ("a.b", None, "quoted", 4),
        ("a.b", None, "absent", 2),
        ("rules", 0, "name", 6),
        ("rules", 1, "name", 9),
        ("rules", 1, None, 7),
        ("rules", 2, "name", None),
        ("a.c", None, "key", 11),
        ("a.c", None, None, 10),
        ("none", None, "key", None),
    ],
)
def test_a_key_is_found_on_its_line(
    table: str, index: int | None, key: str | None, line: int | None
) -> None:
    assert line_of(LINES, table, index, key) == line


def test_the_shipped_policys_examples_are_right_when_they_are_taken_in() -> None:
    text = Path(settings.__file__).with_name("policy.toml").read_text("utf-8")
    uncommented = re.sub(r"(?m)^# (\[\[|[a-z_-]+ = )", r"\1", text)
    found = load(write(uncommented, "policy.toml"))
    assert len(found.rules) > len(load(write(text, "policy.toml")).rules)
    assert found.people.groups == {"build": ("ci", "deploy")}
    assert found.people.same_person == {"approver-a": ("requester-a",)}
