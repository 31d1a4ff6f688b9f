"""What RabbitMQ is told: the vhost, accounts, and what each may declare, write and read.

Derived from the stage table. RabbitMQ has three rights, each over the names of queues and exchanges:
*configure* (declare, delete), *write* (publish to an exchange, bind a queue), *read* (consume from a
queue, purge it, bind to an exchange). A stage's exchange and queue have the same name.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pipeline.setup.grants.accounts import Account
from pipeline.setup.grants.passwords import rabbitmq_hash
from pipeline.setup.grants.servers import Servers
from pipeline.stages import STAGES, Role, stages_of

NOTHING: Final = "^$"
DEAD_LETTERS: Final = ".XQ"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Regular expressions over the names of queues and exchanges."""

    configure: str
    write: str
    read: str


def permissions(role: Role) -> Permissions:
    """Return what a role may do: all with the queues that its side reads, publish where it may send."""
    own = [stage.queue for stage in stages_of(role)]
    own += [queue + DEAD_LETTERS for queue in own]
    sent = [queue for queue, stage in STAGES.items() if role in stage.senders]
    return Permissions(_any_of(own), _any_of([*own, *sent]), _any_of(own))


def definitions(servers: Servers, accounts: Iterable[Account]) -> bytes:
    """Return the definitions (JSON) for ``rabbitmqctl import_definitions``, without a password."""
    here = [(account, account.role) for account in accounts if account.role is not None]
    found: dict[str, Any] = {
        "vhosts": [{"name": servers.vhost}],
        "users": [_user(servers, account) for account, _ in here],
        "permissions": [_permission(servers, account, role) for account, role in here],
    }
    return json.dumps(found, indent=2).encode() + b"\n"


def configuration() -> str:
    """Return what ``rabbitmq.conf`` needs so that there is nothing but TLS with certificates."""
    return """\
# HttpCA: needs `rabbitmq-plugins enable rabbitmq_auth_mechanism_ssl`. The files are for RabbitMQ's
# own account alone. Nobody connects without TLS and a certificate, whose common name is the account.
listeners.tcp = none
listeners.ssl.default = 5671
ssl_options.cacertfile = /etc/rabbitmq/httpca/ca.pem
ssl_options.certfile = /etc/rabbitmq/httpca/server.pem
ssl_options.keyfile = /etc/rabbitmq/httpca/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
auth_mechanisms.1 = EXTERNAL
ssl_cert_login_from = common_name
"""


def _user(servers: Servers, account: Account) -> dict[str, Any]:
    """With TLS the certificate says who it is, and the empty hash admits no password."""
    by_password = servers.tls == "none"
    return {
        "name": account.name,
        "password_hash": rabbitmq_hash(account.broker_password) if by_password else "",
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }


def _permission(servers: Servers, account: Account, role: Role) -> dict[str, Any]:
    may = permissions(role)
    return {
        "user": account.name,
        "vhost": servers.vhost,
        "configure": may.configure,
        "write": may.write,
        "read": may.read,
    }


def _any_of(names: Iterable[str]) -> str:
    alternatives = sorted(re.escape(name) for name in set(names))
    return f"^({'|'.join(alternatives)})$" if alternatives else NOTHING
