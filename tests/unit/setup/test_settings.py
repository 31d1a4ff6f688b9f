"""Settings as they are read: overridden by variables, and refused with file, key and what is right."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.setup.directory import create
from pipeline.setup.options import SetupOptions
from settings.approver import load_approver
from settings.signer import load_signer
from settings.web import load_web


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("settings") / "ca"
    create(SetupOptions(directory))
    return directory


def set_variables(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_variables_override_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(
        monkeypatch,
        {
            "HTTPCA_WEB_DATABASE": "postgresql+psycopg://db/web",
            "HTTPCA_WEB_HTTP_PORT": "8123",
            "HTTPCA_WEB_HTTP_ANONYMOUS": "true",
            "HTTPCA_SIGNER_BROKER": "amqps://mq/",
            "HTTPCA_SIGNER_WAITING_DAYS": "2.5",
            "HTTPCA_SIGNER_WORKER_BATCH": "7",
            "HTTPCA_APPROVER_BROKER": "amqp://mq/",
        },
    )
    web, signer = load_web(home / "web"), load_signer(home / "signer")
    assert web.database == "postgresql+psycopg://db/web"
    assert (web.http.port, web.http.anonymous) == (8123, True)
    assert (signer.broker, signer.waiting_days, signer.worker.batch) == ("amqps://mq/", 2.5, 7)
    assert load_approver(home / "approvers" / "approver").broker == "amqp://mq/"


def test_variables_of_one_side_leave_the_other_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPCA_WEB_BROKER", "amqp://mq/")
    assert load_signer(home / "signer").broker == "memory:"


def test_a_wrong_variable_is_refused_with_its_key(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPCA_WEB_HTTP_PORT", "99999")
    with pytest.raises(SettingsError) as caught:
        load_web(home / "web")
    assert caught.value.key == "http.port"
    assert "65535" in caught.value.problem


def test_a_file_that_cannot_be_read_is_said_to_be_that(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").mkdir()
    with pytest.raises(SettingsError) as caught:
        load_web(tmp_path)
    assert caught.value.problem == "cannot be read: Is a directory"


RIGHT = 'role = "web"\ndatabase = "sqlite:///x"\n'

WRONG = [
    ('role = "web"\nbroker = "memory:"', "database", "is missing"),
    ('role = "web"\ndatabase = 5', "database", "must be a text in quotes"),
    ('role = "web"\ndatabase = "mysql://x"', "database", "postgresql+psycopg://"),
    ('role = "web"\ndatabase = "sqlite:///x"\nbroker = "redis:"', "broker", "amqp://"),
    ('role = "web"\ndatabase = "sqlite:///x"\nbroker = "amqp://mq..x/"', "broker", "amqp://"),
    ('role = "web"\ndatabase = "sqlite:///x"\ncolour = 1', "colour", "there are: role, database"),
    ('role = "web"\ndatabase = "sqlite:///x"\n[http]\nprot = 1', "http.prot", "port"),
    ('role = "web"\ndatabase = "sqlite:///x"\n[http]\nport = 0', "http.port", ">= 1"),
    (
        'role = "web"\ndatabase = "sqlite:///x"\n[http]\nthreads = 4\nlong_polls = 4',
        "http.long_polls",
        "less than http.threads",
    ),
    ('role = "signer"', "role", "'web'"),
    ("role = ", "", "TOML"),
    (f"{RIGHT}[log]\nformat = 'yaml'", "log.format", "one of: json, text"),
    (f"{RIGHT}[log]\nlevel = 'loud'", "log.level", "one of: debug, info, warning, error"),
    (f"{RIGHT}queue_type = 'x'", "queue_type", "one of: classic, quorum"),
    (f"{RIGHT}log = 3", "log", "must be a table"),
    (f"{RIGHT}profiles = 'server'", "profiles", "must be a list"),
    (f"{RIGHT}[http]\nanonymous = 'maybe'", "http.anonymous", "must be true or false"),
    (f"{RIGHT}[clock]\nsweep = 0", "clock.sweep", "must be a number > 0.0"),
]


@pytest.mark.parametrize(("text", "key", "right"), WRONG)
def test_a_wrong_file_is_refused_with_file_key_and_what_is_right(
    tmp_path: Path, text: str, key: str, right: str
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_web(tmp_path)
    assert caught.value.file == str(file)
    assert caught.value.key == key
    assert right in caught.value.problem


def test_an_unknown_setting_is_not_told_of_one_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(f"{RIGHT}colour = 1")
    with pytest.raises(SettingsError, match="there are: role, database") as caught:
        load_web(tmp_path)
    assert "directory" not in caught.value.problem


def test_a_wrong_item_of_a_list_is_looked_for_in_the_variable_that_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.toml").write_text(RIGHT)
    monkeypatch.setenv("HTTPCA_WEB_EXPIRY_DAYS", "30,soon")
    with pytest.raises(SettingsError) as caught:
        load_web(tmp_path)
    assert caught.value.file == "variable HTTPCA_WEB_EXPIRY_DAYS"
    assert caught.value.problem == "must be a number"


def test_an_approver_s_database_is_called_as_in_their_file(tmp_path: Path) -> None:
    text = 'role = "approver"\nname = "approver"\nsigner_database = "mysql://x"'
    (tmp_path / "settings.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.toml: signer_database: is neither"):
        load_approver(tmp_path)


def test_a_missing_file_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="`httpca setup` makes the folder of role web"):
        load_web(tmp_path)
