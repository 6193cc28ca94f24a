"""DecodeAuthorizationMessage: what stands in a message about a refusal.

None of AWS's services that Ogi has gives such messages (EC2 does, for one); Ogi adds one to every
refusal, as a header of its own.
"""

from __future__ import annotations

from ogi.access import messages
from ogi.service import Call, Fields
from ogi.services.sts.api import check_session
from ogi.services.sts.errors import InvalidAuthorizationMessageException
from ogi.services.sts.service import SERVICE
from ogi.storage import Reader


@SERVICE.operation(reads=True)
def decode_authorization_message(tx: Reader, call: Call, request: Fields) -> Fields:
    check_session(call, "DecodeAuthorizationMessage")
    try:
        text = messages.decode(call.ports.vault, call.account, request["EncodedMessage"], call.now)
    except messages.BadMessage:
        raise InvalidAuthorizationMessageException from None
    return {"DecodedMessage": text}
