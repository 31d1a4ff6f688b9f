"""CA keys in tokens, by PKCS #11: the private key never leaves the token.

Hashes are computed outside for ECDSA, since many tokens sign digests only, and inside for RSA,
where the mechanism writes the DigestInfo (RFC 8017 section 9.2).
"""

from typing import Any, Final

import pkcs11
import structlog
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import (
    Attribute,
    KeyType,
    Mechanism,
    MechanismFlag,
    Object,
    ObjectClass,
    PKCS11Error,
    Session,
)
from pkcs11.types import SignMixin
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from pipeline.crypto import public_keys
from pipeline.errors import KeyUnavailable
from pipeline.signer.keys import SignatureHash, TokenRefused, signature_hash_for
from pipeline.signer.keys.module import module_at, out_of_reach
from pipeline.signer.keys.uri import KeyUri

log = structlog.get_logger(__name__)

KINDS: Final = "ec:P-256, ec:P-384, ec:P-521, rsa:2048, rsa:3072, rsa:4096"

_CURVES: Final = {"ec:P-256": "secp256r1", "ec:P-384": "secp384r1", "ec:P-521": "secp521r1"}
_RSA: Final = {"rsa:2048": 2048, "rsa:3072": 3072, "rsa:4096": 4096}
_RSA_MECHANISMS: Final = {
    "sha256": Mechanism.SHA256_RSA_PKCS,
    "sha384": Mechanism.SHA384_RSA_PKCS,
}


class TokenKey:
    """A CA key in a token (a :class:`pipeline.signer.keys.SigningKey`)."""

    def __init__(self, uri: KeyUri, pin: str) -> None:
        """Log in and look the key up.

        Raises:
            TokenRefused: module, token, PIN or key are not what they should be.
            KeyUnavailable: the token is out of reach for now.
        """
        self._uri = uri
        self._pin = pin
        self._module = module_at(uri.module)
        self._generation = -1
        with self._module.lock:
            try:
                session = self._module.session(uri, pin)
                self._private = self._find(session)
                self.public_key: CertificateIssuerPublicKeyTypes = _public_key(session, uri)
                if self._private[Attribute.EXTRACTABLE]:
                    log.warning("ca-key-is-extractable", key=str(uri))
            except PKCS11Error as error:
                raise out_of_reach(error) from error
        self.kind = public_keys.kind(self.public_key)
        if self.kind not in _CURVES and self.kind not in _RSA:
            raise TokenRefused(
                f"the key {uri.key} is {self.kind}; a CA key in a token is one of {KINDS}"
            )
        self.signature_hash: SignatureHash | None = signature_hash_for(self.kind)

    def __repr__(self) -> str:
        """Show no PIN."""
        return f"<TokenKey {self._uri}>"

    def sign(self, tbs: bytes) -> bytes:
        """Return the signature over TBS bytes; a session that was lost is opened again, once.

        Raises:
            KeyUnavailable: the token is out of reach, has another key here than before, or signs
                wrongly.
        """
        with self._module.lock:
            try:
                return self._sign(tbs)
            except (PKCS11Error, TokenRefused) as error:
                log.warning("token-session-lost", why=type(error).__name__, key=str(self._uri))
            try:
                self._module.begin_anew()
                return self._sign(tbs)
            except PKCS11Error as error:
                raise out_of_reach(error) from error
            except TokenRefused as error:
                raise KeyUnavailable(str(error)) from error

    def _sign(self, tbs: bytes) -> bytes:
        session = self._module.session(self._uri, self._pin)
        if self._generation != self._module.generation:
            self._private = self._find(session)
            found = public_keys.spki(_public_key(session, self._uri))
            if found != public_keys.spki(self.public_key):
                self._generation = -1
                raise TokenRefused(f"the token has another key {self._uri.key} than at our start")
        digest = self.signature_hash
        assert digest is not None  # noqa: S101 - only Ed25519 has none
        if self.kind in _RSA:
            mechanism = _RSA_MECHANISMS[digest.name]
            signature = self._private.sign(tbs, mechanism=mechanism)
        else:
            hashed = Hash(digest)
            hashed.update(tbs)
            raw = self._private.sign(hashed.finalize(), mechanism=Mechanism.ECDSA)
            signature = _as_der(raw)
        # A token that signs wrongly would make every request fail, as if it were the request's fault.
        if not _is_signature(self.public_key, signature, tbs, digest):
            raise TokenRefused(
                f"what the token signs with the private key {self._uri.key} is no signature of its"
                f" public key {self._uri.key}"
            )
        return signature

    def _find(self, session: Session) -> SignMixin:
        found = _one(session, self._uri, ObjectClass.PRIVATE_KEY)
        if not isinstance(found, SignMixin):
            raise TokenRefused(f"the private key {self._uri.key} may not sign (CKA_SIGN)")
        self._generation = self._module.generation
        return found


def generate(uri: KeyUri, pin: str, kind: str) -> TokenKey:
    """Make a key in the token, which it can never leave, and return it.

    Raises:
        ValueError: keys of this kind are not made in tokens.
        TokenRefused: module, token or PIN are wrong, or there is such a key already.
        KeyUnavailable: the token is out of reach.
    """
    if kind not in _CURVES and kind not in _RSA:
        raise ValueError(f"{kind!r} is not a kind of key for a token; allowed are {KINDS}")
    module = module_at(uri.module)
    with module.lock:
        try:
            module.begin_anew()  # a session that only reads may be open
            session = module.session(uri, pin, writes=True)
            if any(True for _ in session.get_objects(_template(uri))):
                raise TokenRefused(f"the token has something {uri.key} already; choose another")
            _generate(session, uri, kind)
        except PKCS11Error as error:
            raise out_of_reach(error) from error
    return TokenKey(uri, pin)


def _generate(session: Session, uri: KeyUri, kind: str) -> None:
    made: dict[str, Any] = {
        "id": uri.id or None,
        "label": uri.label or None,
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
        "private_template": {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
    }
    if kind in _RSA:
        session.generate_keypair(KeyType.RSA, _RSA[kind], **made)
    else:
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[kind])}
        session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(**made)


def _template(uri: KeyUri) -> dict[Attribute, Any]:
    template: dict[Attribute, Any] = {}
    if uri.label:
        template[Attribute.LABEL] = uri.label
    if uri.id:
        template[Attribute.ID] = uri.id
    return template


def _one(session: Session, uri: KeyUri, kind: ObjectClass) -> Object:
    found = list(session.get_objects({**_template(uri), Attribute.CLASS: kind}))
    what = "private key" if kind is ObjectClass.PRIVATE_KEY else "public key"
    if not found:
        raise TokenRefused(f"the token {uri.token!r} has no {what} {uri.key}")
    if len(found) > 1:
        raise TokenRefused(
            f"the token {uri.token!r} has {len(found)} {what}s {uri.key}; add the id of the right one"
        )
    return found[0]


def _public_key(session: Session, uri: KeyUri) -> CertificateIssuerPublicKeyTypes:
    found = _one(session, uri, ObjectClass.PUBLIC_KEY)
    try:
        if isinstance(found, pkcs11.PublicKey) and found.key_type is KeyType.RSA:
            exponent = int.from_bytes(found[Attribute.PUBLIC_EXPONENT], "big")
            modulus = int.from_bytes(found[Attribute.MODULUS], "big")
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        if isinstance(found, pkcs11.PublicKey) and found.key_type is KeyType.EC:
            key = load_der_public_key(encode_ec_public_key(found))
            if isinstance(key, ec.EllipticCurvePublicKey):
                return key
    except (ValueError, UnsupportedAlgorithm) as error:  # the library knows no such curve, or point
        problem = f"the public key {uri.key} cannot be read ({error})"
        raise TokenRefused(f"{problem}; a CA key in a token is one of {KINDS}") from error
    raise TokenRefused(f"the key {uri.key} is neither RSA nor on a curve; allowed are {KINDS}")


def _is_signature(
    key: CertificateIssuerPublicKeyTypes, signature: bytes, tbs: bytes, digest: SignatureHash
) -> bool:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, tbs, ec.ECDSA(digest))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, tbs, padding.PKCS1v15(), digest)
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _as_der(signature: bytes) -> bytes:
    """Return r and s, which the token writes one after the other, as a certificate holds them
    (RFC 3279 section 2.2.3)."""
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    return encode_dss_signature(r, s)
