"""Write the mail of a notice and hand it to a mail server, or to a folder where none is named.

Nothing here knows the database; when and how often is ``mail_tasks``.
"""

from __future__ import annotations

import contextlib
import os
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from app import clock
from app.config import Settings
from app.notices import wording

TIMEOUT_SECONDS = 15
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class MailServerError(Exception):
    """The server cannot be used as it is; its words are kept for the operator. Every mail waits."""


class MailRefusedError(Exception):
    """The server will not take this one mail. ``permanent`` when asking again would change nothing."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail: to whom, in which words; ``name`` is the file's name where mails go to a folder."""

    notice_id: int
    reference: str
    kind: str
    address: str
    addressee: str
    words: wording.Words

    @property
    def name(self) -> str:
        return f"{self.notice_id:08d}-{self.kind}.eml"


class Post:
    """An open way to send letters."""

    def send(self, letter: Letter) -> None:
        """Hand one letter over. Raises ``MailRefusedError`` or ``MailServerError``."""
        raise NotImplementedError


def message(letter: Letter, settings: Settings) -> EmailMessage:
    """Return the letter as text and HTML. Its Message-ID is the notice's, so that a repeat can be recognised."""
    sender_name, sender = parseaddr(settings.mail_from)
    made = EmailMessage(policy=policy.SMTP)
    made["Subject"] = letter.words.subject
    made["From"] = Address(sender_name, addr_spec=sender)
    made["To"] = Address(letter.addressee, addr_spec=letter.address)
    made["Date"] = format_datetime(clock.system_now())
    host = urlsplit(settings.public_url).hostname or "localhost"
    made["Message-ID"] = f"<{letter.reference}@{host}>"
    made["Auto-Submitted"] = "auto-generated"
    environment = wording.environment()
    context = {
        "words": letter.words, "name": letter.addressee, "url": settings.public_url + letter.words.path,
        "notices_url": f"{settings.public_url}/notices",
    }
    made.set_content(environment.get_template("layout.txt").render(context))
    made.add_alternative(environment.get_template("layout.html").render(context), subtype="html")
    return made


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Post]:
    """Give the way that the settings name. Raises ``MailServerError`` when the server cannot be reached."""
    if not settings.smtp_url:
        settings.mail_dir.mkdir(parents=True, exist_ok=True)
        yield _Folder(settings)
        return
    try:
        server = _connect(urlsplit(settings.smtp_url))
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise MailServerError(f"the mail server: {error}") from error
    try:
        yield _Server(server, settings)
    finally:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.quit()


def _connect(url: SplitResult) -> smtplib.SMTP:
    """Connect as ``smtp://user:password@host:587`` or ``smtps://…:465`` says; a password never goes out in clear."""
    host = url.hostname or ""
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, url.port or 465, timeout=TIMEOUT_SECONDS, context=context)
        encrypted = True
    elif url.scheme == "smtp":
        server = smtplib.SMTP(host, url.port or 25, timeout=TIMEOUT_SECONDS)
        server.ehlo()
        encrypted = server.has_extn("starttls")
        if encrypted:
            server.starttls(context=context)
    else:
        raise ValueError("SMTP_URL must start with smtp:// or smtps://")
    if url.username:
        if not encrypted and host not in LOOPBACK:
            server.close()
            raise smtplib.SMTPException("it offers no encryption, so the password was not sent")
        server.login(unquote(url.username), unquote(url.password or ""))
    return server


class _Folder(Post):
    """Writes each letter to a file of its own; the same letter again replaces its file."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def send(self, letter: Letter) -> None:
        target: Path = self.settings.mail_dir / letter.name
        partly = target.with_suffix(f".{os.getpid()}.part")
        try:
            partly.write_bytes(message(letter, self.settings).as_bytes())
            partly.replace(target)
        except OSError as error:
            raise MailServerError(f"the mail folder: {error}") from error


class _Server(Post):
    """Hands letters to a mail server over one connection."""

    def __init__(self, server: smtplib.SMTP, settings: Settings) -> None:
        self.server, self.settings = server, settings

    def send(self, letter: Letter) -> None:
        try:
            self.server.send_message(message(letter, self.settings))
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            self._begin_anew()
            raise MailRefusedError(f"{code} {text.decode(errors='replace')}", permanent=code >= 500) from error
        except smtplib.SMTPNotSupportedError as error:
            self._begin_anew()
            raise MailRefusedError(str(error), permanent=True) from error
        except smtplib.SMTPServerDisconnected as error:
            raise MailServerError(f"the mail server: {error}") from error
        except smtplib.SMTPResponseException as error:
            self._begin_anew()
            said = f"{error.smtp_code} {error.smtp_error!r}"
            raise MailRefusedError(said, permanent=error.smtp_code >= 500) from error
        except (OSError, smtplib.SMTPException) as error:
            raise MailServerError(f"the mail server: {error}") from error

    def _begin_anew(self) -> None:
        try:
            self.server.rset()
        except (OSError, smtplib.SMTPException) as error:
            raise MailServerError(f"the mail server: {error}") from error
