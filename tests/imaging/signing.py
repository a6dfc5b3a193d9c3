"""Images with content credentials, signed by a chain of certificates made here."""

from __future__ import annotations

import datetime
import io
import json
from functools import cache
from typing import Any

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
MANIFEST = {
    "claim_generator_info": [{"name": "tests", "version": "1"}],
    "title": "A sample",
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": "http://cv.iptc.org/newscodes/"
                        "digitalsourcetype/trainedAlgorithmicMedia",
                    }
                ]
            },
        }
    ],
}
# A thumbnail within a manifest would take seconds, and be larger than the sample.
PLAIN = {"builder": {"thumbnail": {"enabled": False}}}


def signed(data: bytes, mime: str) -> bytes:
    """Return an image with content credentials."""
    key, chain = _keys()

    def sign(message: bytes) -> bytes:
        r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    signer = c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, chain)
    target = io.BytesIO()
    builder = c2pa.Builder(json.dumps(MANIFEST), c2pa.Context.from_dict(PLAIN))
    builder.sign(signer, mime, io.BytesIO(data), target)
    return target.getvalue()


def problems(data: bytes, mime: str) -> list[str]:
    """Return what is wrong with the content credentials of an image.

    Nobody trusts the certificates of tests, which is not wrong with the image.
    """
    said: dict[str, Any] = json.loads(c2pa.Reader(mime, io.BytesIO(data)).json())
    codes = {status["code"] for status in said.get("validation_status", ())}
    return sorted(codes - {"signingCredential.untrusted"})


@cache
def _keys() -> tuple[ec.EllipticCurvePrivateKey, str]:
    """Return a key and its chain of certificates, as C2PA wants them."""
    now = datetime.datetime.now(datetime.UTC)
    root, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def certificate(
        name: str, key: Any, *extensions: tuple[x509.ExtensionType, bool]
    ) -> str:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name("Root"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()),
                False,
            )
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        made = builder.sign(root, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    usage = dict.fromkeys(
        (
            "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "encipher_only", "decipher_only", "crl_sign",
        ),
        False,
    )  # fmt: skip
    leaf_usage = x509.KeyUsage(digital_signature=True, key_cert_sign=False, **usage)
    root_usage = x509.KeyUsage(digital_signature=False, key_cert_sign=True, **usage)
    mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    chain = certificate(
        "Leaf",
        leaf,
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (leaf_usage, True),
        (mail, False),
    ) + certificate(
        "Root",
        root,
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (root_usage, True),
    )
    return leaf, chain


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
