"""A PKCS #11 library in this process: loaded when it is first needed, and one login to each token.

A login holds for the whole process and ends with the first session that is closed, so sessions are
shared by all keys of a token. The library is told of no threads: whoever calls it holds ``lock``.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

import pkcs11
from pkcs11 import PKCS11Error, Session, Token, TokenFlag

from pipeline.errors import KeyUnavailable
from pipeline.signer.keys import TokenRefused
from pipeline.signer.keys.uri import KeyUri

_NOT_THE_PIN: Final = (
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinExpired,
    pkcs11.UserPinNotInitialized,
)


class Module:
    """A PKCS #11 library and the sessions that this process has with its tokens.

    ``generation`` counts how often everything was begun anew: handles are of one generation.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.generation = 0
        self._process = os.getpid()
        self._library: pkcs11._pkcs11.lib | None = None
        self._sessions: dict[tuple[str, str], Session] = {}
        self._refused: set[tuple[str, str, str]] = set()

    def session(self, uri: KeyUri, pin: str, *, writes: bool = False) -> Session:
        """Return this process's session with a token, logged in.

        A PIN that the token refused is never tried again: a few wrong ones lock a token.

        Raises:
            TokenRefused: module, token or PIN are wrong.
            PKCS11Error: the token is out of reach.
        """
        if self._process != os.getpid():  # sessions are not inherited (PKCS #11 section 5.6.1)
            self.begin_anew()
        which = (uri.token, uri.serial)
        if (*which, pin) in self._refused:
            raise TokenRefused(
                f"the token {uri.token!r} refused this PIN before, and is not asked again; start"
                " the process anew once the PIN is right"
            )
        if which not in self._sessions:
            self._sessions[which] = self._open(uri, pin, writes)
        return self._sessions[which]

    def begin_anew(self) -> None:
        """Forget all sessions, and let the library begin as after the start of the process."""
        self.generation += 1
        self._sessions.clear()
        self._process = os.getpid()
        if self._library is None:
            return
        with suppress(PKCS11Error):  # it had ended already, which is what we want
            self._library.finalize()
        self._library.initialize()

    def _open(self, uri: KeyUri, pin: str, writes: bool) -> Session:
        token = self._token(uri)
        for session in self._sessions.values():  # another URI may name the same token
            if (session.token.label, session.token.serial) == (token.label, token.serial):
                return session
        with self._judging_the_pin(token, uri, pin):
            return token.open(rw=writes, user_pin=pin)

    def _token(self, uri: KeyUri) -> Token:
        library = self._load()
        tokens = [slot.get_token() for slot in library.get_slots(token_present=True)]
        serial = uri.serial.encode()
        found = [
            token
            for token in tokens
            if token.label == uri.token and serial in (b"", token.serial.rstrip())
        ]
        if not found:
            wanted = f"{uri.token!r}" + (f" with serial number {uri.serial}" if serial else "")
            labels = ", ".join(sorted({repr(token.label) for token in tokens if token.label}))
            raise TokenRefused(
                f"there is no token {wanted}; {self.path} has {labels or 'no token with a label'}"
            )
        if len(found) > 1:
            raise TokenRefused(
                f"there are {len(found)} tokens {uri.token!r}; add serial= of the right one"
            )
        return found[0]

    def _load(self) -> "pkcs11._pkcs11.lib":
        if self._library is None:
            try:
                self._library = pkcs11.lib(self.path)
            except PKCS11Error as error:
                why = str(error) or type(error).__name__
                raise TokenRefused(
                    f"the PKCS #11 module {self.path} cannot be loaded: {why}"
                ) from error
        return self._library

    @contextmanager
    def _judging_the_pin(self, token: Token, uri: KeyUri, pin: str) -> Iterator[None]:
        if TokenFlag.USER_PIN_FINAL_TRY in token.flags:
            raise TokenRefused(
                f"the token {uri.token!r} would lock itself after one more wrong PIN, so it is not"
                " tried: log in once with the token's own program, then start again"
            )
        try:
            yield
        except pkcs11.PinLocked as error:
            raise TokenRefused(
                f"the PIN of token {uri.token!r} is locked; its security officer unlocks it"
            ) from error
        except _NOT_THE_PIN as error:
            self._refused.add((uri.token, uri.serial, pin))
            raise TokenRefused(
                f"the token {uri.token!r} refuses the PIN ({type(error).__name__})"
            ) from error


@cache
def module_at(path: str) -> Module:
    """Return this process's one module of a path; nothing is loaded before a session is wanted."""
    return Module(path)


def out_of_reach(error: PKCS11Error) -> KeyUnavailable:
    """Return the error of a token that does not do its work for now."""
    detail = str(error)
    name = type(error).__name__
    return KeyUnavailable(f"the token does not answer ({name}{': ' + detail if detail else ''})")
