"""The scan for secrets finds them, and finds none here; the audit tells vulnerable from unknown."""

import json

import pytest

from tests.security.audit import verdict
from tests.security.scan import ALLOWED, ROOT, finds, scan


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (("-----BEGIN RSA PRIVATE", " KEY-----\\n", "M" * 30), "a private key"),
        (("AKIA", "ABCDEFGHIJKLMNOP"), "a key of a cloud"),
        (("ghp_", "a1" * 18), "a token of a forge"),
        (("postgresql://shop:", "hunter42", "@db.example/x"), "a password in an address"),
        (("db_password", " = ", "'correct-horse'"), "a password"),
    ],
)
def test_secrets_are_found(parts: tuple[str, ...], kind: str) -> None:
    text = "".join(parts)
    assert list(finds(f"\n{text}")) == [(2, kind)]
    assert list(finds(f"{text}  # {ALLOWED}")) == []


def test_the_repository_holds_none() -> None:
    assert scan(ROOT) == []


_FLAW = {"id": "CVE-1", "fix_versions": ["2.0"]}


@pytest.mark.parametrize(
    ("packages", "said", "vulnerable"),
    [
        (None, "cannot be reached", False),
        ([{"name": "a", "skip_reason": "not found"}], "nothing was audited", False),
        ([{"name": "a", "version": "1", "vulns": []}], "1 of 1 packages, 0", False),
        ([{"name": "a", "version": "1", "vulns": [_FLAW]}], "a 1: CVE-1, fixed in 2.0", True),
    ],
)
def test_verdicts_of_the_audit(packages: object, said: str, vulnerable: bool) -> None:
    answer = None if packages is None else json.dumps({"dependencies": packages})
    text, failed = verdict(answer)
    assert said in text
    assert failed is vulnerable
