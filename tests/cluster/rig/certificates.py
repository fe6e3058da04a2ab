"""Keys and certificates of a cluster, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.rig.errors import RigError

KUBERNETES_NAMES = (
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
)
VALID_DAYS = "3650"


@dataclass(frozen=True)
class Certificates:
    """A folder of authorities and of what they signed: `NAME.key` and `NAME.crt`. What is there is kept."""

    directory: Path

    def key(self, name: str) -> Path:
        """The private key of that name."""
        return self.directory / f"{name}.key"

    def certificate(self, name: str) -> Path:
        """The certificate of that name."""
        return self.directory / f"{name}.crt"

    def add_authority(self, name: str) -> None:
        """Make an authority, which can sign."""
        if self.certificate(name).exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self._request(name, f"/CN=holdfast-{name}", "-x509", "-days", VALID_DAYS, "-out", self.certificate(name))

    def add_client(self, name: str, subject: str, authority: str = "ca") -> None:
        """Make a certificate by which `subject` (`/O=group/CN=user`) logs in."""
        self._sign(name, subject, ["extendedKeyUsage=clientAuth"], authority)

    def add_server(self, name: str, subject: str, names: str) -> None:
        """Make a certificate of a server reached by `names` (`IP:…,DNS:…`)."""
        self._sign(name, subject, ["extendedKeyUsage=serverAuth", f"subjectAltName={names}"], "ca")

    def add_key_pair(self, name: str) -> None:
        """Make a bare RSA key, with which tokens are signed."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.key(name).exists():
            _openssl("genrsa", "-out", self.key(name), "2048")

    def _sign(self, name: str, subject: str, extensions: list[str], authority: str) -> None:
        if self.certificate(name).exists():
            return
        request = self.directory / f"{name}.csr"
        details = self.directory / f"{name}.ext"
        details.write_text("\n".join(["keyUsage=critical,digitalSignature", *extensions]))
        self._request(name, subject, "-out", request)
        _openssl(
            *("x509", "-req", "-in", request, "-extfile", details, "-days", VALID_DAYS),
            *("-CA", self.certificate(authority), "-CAkey", self.key(authority), "-CAcreateserial"),
            *("-out", self.certificate(name)),
        )

    def _request(self, name: str, subject: str, *options: str | Path) -> None:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-keyout", self.key(name))
        _openssl("req", "-new", *curve, "-subj", subject, *options)


def _openssl(*words: str | Path) -> None:
    ended = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RigError(f"openssl {words[0]} failed: {ended.stderr.strip()}")
