"""What a certificate of a profile can do, and what of its CSR it will not have, for people to read."""

from typing import Final

from pipeline.crypto import subject
from pipeline.crypto.csr import Csr
from pipeline.crypto.profile import Profile
from pipeline.errors import Refused

BEYOND: Final = "a power that the profile does not give"


def dropped(csr: Csr, profile: Profile) -> tuple[str, ...]:
    """Return what is dropped: ``subject O=Example``, ``extension keyUsage (key_cert_sign)``, ...

    What the certificate has anyway, since its profile says the same, is not dropped.
    """
    try:
        taken = subject.compose(csr, profile)
    except Refused:  # such a CSR is refused, and nothing of it is taken over
        taken = ()
    parts = [f"subject {part}" for part in subject.left_out(csr, taken)]
    for request in csr.extensions:
        if not request.fits(profile):
            beyond = f", {BEYOND}" if request.is_dangerous(profile) else ""
            parts.append(f"extension {request}{beyond}")
    return (*parts, *(text for text in csr.ignored if text.startswith("attribute ")))


def reach(profile: Profile) -> str:
    """Return what a CA of the profile could speak for, as its name constraints say it."""
    permitted = ", ".join(str(subtree) for subtree in profile.reach())
    found = f"only for {permitted}" if permitted else "for every name"
    excluded = ", ".join(profile.excluded_subtrees)
    return f"{found}, and not for {excluded}" if excluded else found


def powers(profile: Profile) -> tuple[tuple[str, str], ...]:
    """Return what a certificate of the profile has besides names and usages, as (label, sentence)."""
    found = []
    if profile.ca:
        below = "no CA" if profile.path_length == 0 else f"up to {profile.path_length} CAs"
        found.append(("CA", f"It is a CA, with {below} below it, and speaks {reach(profile)}"))
    found += [("Policy", text) for text in profile.certificate_policies]
    if profile.ocsp_no_check:
        found.append(("OCSP", "Nobody will ask whether it is revoked (no-check)"))
    return tuple(found)
