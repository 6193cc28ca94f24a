"""How many users, groups, roles, policies and instance profiles an account has at most.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, the defaults
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ogi.access import identities
from ogi.access.identities import GROUPS, POLICIES, PROFILES, ROLES, USERS
from ogi.service import Call
from ogi.services.iam.errors import LimitExceededException
from ogi.storage import Reader
from ogi.storage.tables import Table

USERS_MAX = 5000
GROUPS_MAX = 300
ROLES_MAX = 1000
POLICIES_MAX = 1500
PROFILES_MAX = 1000

_OF: Mapping[Table[Any], tuple[str, int]] = {
    USERS: ("UsersPerAccount", USERS_MAX),
    GROUPS: ("GroupsPerAccount", GROUPS_MAX),
    ROLES: ("RolesPerAccount", ROLES_MAX),
    POLICIES: ("PoliciesPerAccount", POLICIES_MAX),
    PROFILES: ("InstanceProfilesPerAccount", PROFILES_MAX),
}


def refuse_more(tx: Reader, call: Call, table: Table[Any]) -> None:
    """Refuse one more than the account may have.

    The sentence is AWS's, quoted for instance profiles in github.com/ansible/workshops/issues/1801.
    """
    name, most = _OF[table]
    if len(identities.page(tx, table, call.account, None, most)) >= most:
        raise LimitExceededException(f"Cannot exceed quota for {name}: {most}")
