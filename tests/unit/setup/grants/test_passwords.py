"""What stands for a password at a server, by the examples of those who define it."""

import base64
import hmac

from pipeline.setup.grants import passwords


def test_a_verifier_makes_the_server_signature_of_the_scram_example() -> None:
    # RFC 7677, section 3: user "user", password "pencil"; PostgreSQL writes it as RFC 5803 does.
    salt, nonce = "W22ZaJ0SNY7soEsUEjb6gQ==", "rOprNGfwEbeRWgbNEkqO"
    both = f"{nonce}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    said = f"n=user,r={nonce},r={both},s={salt},i=4096,c=biws,r={both}"

    verifier = passwords.scram_verifier("pencil", base64.b64decode(salt))

    head, keys = verifier.rsplit("$", 1)
    server_key = base64.b64decode(keys.partition(":")[2])
    signature = base64.b64encode(hmac.digest(server_key, said.encode(), "sha256"))
    assert head == f"SCRAM-SHA-256$4096:{salt}"
    assert signature == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert passwords.scram_verifier("pencil") != verifier


def test_a_password_s_hash_is_the_one_of_rabbitmq_s_example() -> None:
    # RabbitMQ, "Passwords": test12 with the salt 908DC60A.
    salt = bytes.fromhex("908dc60a")
    found = passwords.rabbitmq_hash("test12", salt)
    assert found == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
