"""The certificate that is shown is the one that the signer would make."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.crypto import csr as csrs
from pipeline.crypto.profile import Profile
from pipeline.crypto.usages import EXTENDED_KEY_USAGES
from pipeline.signer import authority
from pipeline.signer.extensions import key_usage
from pipeline.signer.issuer import Issuer
from tests.unit.approve.asked import PROFILE, make_csr
from tests.unit.approve.seen import LATER, gathered
from tests.unit.approve.world import World

PROFILES = {
    "plain": PROFILE,
    "urls": Profile(
        name="urls",
        key_usage=("digital_signature", "key_agreement"),
        extended_key_usage=("client_auth", "1.3.6.1.4.1.99999.1"),
        crl_distribution_points=("http://ca.example/crl",),
        ocsp=("http://ocsp.example",),
        validity="1y",
        backdate="1h",
    ),
    "by its OID": Profile(
        name="by its OID", extended_key_usage=(EXTENDED_KEY_USAGES["code_signing"],)
    ),
    "long": Profile(name="long", validity="20y"),
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("common_name", [None, "www.example.com", "a" * 60 + ".example.com"])
def test_what_is_shown_is_what_the_signer_would_make(
    world: World, profile: Profile, common_name: str | None
) -> None:
    names = ["www.example.com", "a" * 60 + ".example.com"]
    octets = make_csr(names, common_name)
    found = gathered(world, world.add(octets, profile=profile.snapshot)).certificate
    assert found is not None
    der = world.issuer.public_bytes(Encoding.DER)
    issuer = Issuer(
        world.issuer, world.issuer.fingerprint(hashes.SHA256()).hex(), (der,), der, None
    )
    made = authority.prepare(csrs.read(octets), profile, issuer, LATER, 1)
    certificate = x509.load_der_x509_certificate(authority.assemble(made.tbs, b""))
    assert found.not_after == certificate.not_valid_after_utc
    assert found.subject == certificate.subject.rfc4514_string()
    extensions = certificate.extensions
    san = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in found.names] == san.get_values_for_type(x509.DNSName)
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage == key_usage(*found.key_usage)
    shown = [EXTENDED_KEY_USAGES.get(one, one) for one in found.extended_key_usage]
    uses = [one.value for one in extensions if isinstance(one.value, x509.ExtendedKeyUsage)]
    assert set(found.extended_key_usage).isdisjoint(EXTENDED_KEY_USAGES.values())
    assert shown == [oid.dotted_string for use in uses for oid in use]
