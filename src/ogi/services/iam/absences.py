"""What nobody has here: passwords, devices, certificates. Tools that look for them find none.

They cannot be made (each such operation is refused by name), so that these answers are true.
"""

from __future__ import annotations

from ogi.service import Call, Fields
from ogi.services.iam import entities, users
from ogi.services.iam.errors import NoSuchEntityException
from ogi.services.iam.service import SERVICE
from ogi.storage import Reader


def _of_user(operation: str, member: str) -> None:
    """An empty list of a user's, who must be there."""

    def nothing(tx: Reader, call: Call, request: Fields) -> Fields:
        if not request.get("AllUsers"):
            users.named_or_caller(tx, call, request.get("UserName"))
        return {member: [], "IsTruncated": False}

    SERVICE.operation(on=entities.on_user, reads=True, name=operation)(nothing)


def _of_account(operation: str, member: str, paged: bool = True) -> None:
    def nothing(tx: Reader, call: Call, request: Fields) -> Fields:
        return {member: [], **({"IsTruncated": False} if paged else {})}

    SERVICE.operation(reads=True, name=operation)(nothing)


_of_user("ListMFADevices", "MFADevices")
_of_user("ListSigningCertificates", "Certificates")
_of_user("ListSSHPublicKeys", "SSHPublicKeys")
_of_user("ListServiceSpecificCredentials", "ServiceSpecificCredentials")
_of_account("ListVirtualMFADevices", "VirtualMFADevices")
_of_account("ListServerCertificates", "ServerCertificateMetadataList")
_of_account("ListSAMLProviders", "SAMLProviderList", paged=False)


@SERVICE.operation(on=entities.on_user, reads=True)
def get_login_profile(tx: Reader, call: Call, request: Fields) -> Fields:
    user = users.named_or_caller(tx, call, request.get("UserName"))
    raise NoSuchEntityException(f"Login Profile for User {user.name} cannot be found.")


@SERVICE.operation(reads=True)
def get_account_password_policy(tx: Reader, call: Call, request: Fields) -> Fields:
    raise NoSuchEntityException(
        f"The Password Policy with domain name {call.account} cannot be found."
    )
