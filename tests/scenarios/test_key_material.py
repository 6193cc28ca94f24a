"""A user brings key material of their own, with boto3, and takes it away again."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.scenarios.conftest import start


def test_material_is_brought_used_and_taken_away(tmp_path: Path) -> None:
    server = start(tmp_path, "--data", str(tmp_path / "data"), "--credentials", "test:test")
    try:
        kms, material = server.client("kms"), os.urandom(32)
        id = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
        given = kms.get_parameters_for_import(
            KeyId=id, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
        )
        assert given["ParametersValidTo"] > datetime.now(UTC) + timedelta(hours=23)
        public = load_der_public_key(given["PublicKey"])
        assert isinstance(public, rsa.RSAPublicKey)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        kms.import_key_material(
            KeyId=id, ImportToken=given["ImportToken"], ValidTo=until,
            EncryptedKeyMaterial=public.encrypt(material, oaep),
            KeyMaterialDescription="mine",
        )  # fmt: skip
        shown = kms.describe_key(KeyId=id)["KeyMetadata"]
        assert (shown["KeyState"], shown["ValidTo"]) == ("Enabled", until)
        blob = kms.encrypt(KeyId=id, Plaintext=b"x")["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
        (row,) = kms.list_key_rotations(KeyId=id, IncludeKeyMaterial="ALL_KEY_MATERIAL")[
            "Rotations"
        ]
        assert (row["KeyMaterialDescription"], row["ImportState"]) == ("mine", "IMPORTED")
        kms.delete_imported_key_material(KeyId=id)
        with pytest.raises(ClientError, match="is pending import"):
            kms.decrypt(CiphertextBlob=blob)
        usage = kms.get_key_last_usage(KeyId=id)["KeyLastUsage"]
        assert usage["Operation"] == "Decrypt" and usage["KmsRequestId"]
        pair = kms.create_key(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")
        asked = {"KeyId": pair["KeyMetadata"]["KeyId"], "EncapsulationAlgorithm": "ML_KEM"}
        made = kms.encapsulate(**asked)
        found = kms.decapsulate(
            SharedSecretCiphertextBlob=made["SharedSecretCiphertextBlob"], **asked
        )
        assert found["SharedSecret"] == made["SharedSecret"]
    finally:
        assert server.stop() == 0
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert material not in content and material.hex().encode() not in content
