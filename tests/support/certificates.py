"""Certificates that a test makes for itself, and what a client needs to trust them."""

import ssl
from pathlib import Path

import trustme
from cryptography import x509


class Authority:
    """An authority that nobody else knows, with its files in a folder.

    ca_file    its own certificate
    cert_file  a certificate for 127.0.0.1 and localhost
    key_file   the private key of that
    both_file  both of these
    """

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._authority = trustme.CA(organization_name=name)
        self._folder = folder / name
        self._folder.mkdir()
        self.ca_file = self._folder / "ca.pem"
        self.cert_file = self._folder / "cert.pem"
        self.key_file = self._folder / "key.pem"
        self.both_file = self._folder / "both.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)
        self.issue()

    def issue(self) -> int:
        """Write a new certificate in place of the last one, and return its serial number."""
        made = self._authority.issue_cert("127.0.0.1", "localhost", key_type=trustme.KeyType.ECDSA)
        made.private_key_pem.write_to_path(self.key_file)
        made.private_key_and_cert_chain_pem.write_to_path(self.both_file)
        (chain,) = made.cert_chain_pems
        chain.write_to_path(self.cert_file)
        return x509.load_pem_x509_certificate(chain.bytes()).serial_number

    def client(self) -> ssl.SSLContext:
        """Return what a client needs that trusts this authority, and has no certificate."""
        return ssl.create_default_context(cafile=self.ca_file)

    def client_with_certificate(self) -> ssl.SSLContext:
        """Return what a client needs that has a certificate of this authority as well."""
        context = self.client()
        context.load_cert_chain(self.both_file)
        return context
