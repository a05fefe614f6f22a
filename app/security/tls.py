"""TLS contexts from the settings' files, with errors that name the variable."""

import ssl
from pathlib import Path

from app.errors import SettingsError, text_of
from app.settings import SettingsGroup


def client_context(
    group: type[SettingsGroup],
    *,
    ca_file: Path | None,
    certificate_file: Path | None,
    key_file: Path | None,
    verify: bool = True,
    check_host: bool = True,
) -> ssl.SSLContext:
    """A context for a client; raises SettingsError naming the file that cannot be used.

    Without a CA file the system's authorities are trusted. `verify` false encrypts and trusts anybody.
    """
    context = ssl.create_default_context()
    context.check_hostname = verify and check_host
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if ca_file is not None:
        # Only this authority, not the system's, too.
        context = _trusting(group, ca_file, context)
    if certificate_file is not None:
        try:
            context.load_cert_chain(certificate_file, key_file)
        except (OSError, ssl.SSLError) as error:
            names = f"{group.variable('certificate_file')} and {group.variable('key_file')}"
            raise SettingsError(f"{names}: {certificate_file} cannot be used ({text_of(error)})") from error
    return context


def _trusting(group: type[SettingsGroup], ca_file: Path, model: ssl.SSLContext) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = model.check_hostname, model.verify_mode
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{group.variable('ca_file')}: {ca_file} cannot be used ({text_of(error)})") from error
    return context
