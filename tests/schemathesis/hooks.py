"""What schemathesis cannot guess: tokens of a real replica, signatures, one-time codes, and the bytes of a sync request.

Environment: GRIDWORK_SERVER, GRIDWORK_PERSON (who asks), GRIDWORK_BIN and GRIDWORK_DATA (where codes come from).
"""

import os
import zlib

import schemathesis
from hypothesis import strategies as st
from phone import SYNC_CONTENT_TYPE, Phone, one_time_code

SERVER = os.environ["GRIDWORK_SERVER"]
PERSON = int(os.environ["GRIDWORK_PERSON"])
# Making a code starts a process; so many codes a run are enough.
CODES_MAX = 60

ME = Phone().enrol(SERVER, PERSON)
OLD = Phone().enrol(SERVER, PERSON)
_codes = 0


@schemathesis.auth(refresh_interval=300)
class AccessToken:
    """The access token of an enrolled replica; it lives 15 minutes, so a long run asks for further ones."""

    def get(self, case, context):
        return ME.fresh_token(SERVER)

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Closes every object of an answer: a field that the document does not name is a find."""
    for schema in raw_schema["components"]["schemas"].values():
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)


def _share(case, parts):
    """By what the case holds and not by chance, so that a case that is tried again is the same."""
    return zlib.crc32(repr(sorted(case.body.items())).encode()) % parts


def _good_enrolment(case):
    """Half with a code that is good; all under a key that is one, since a schema cannot tell points of a curve."""
    global _codes
    phone = Phone()
    code = case.body["code"]
    if _codes < CODES_MAX and _share(case, 2) == 0:
        _codes += 1
        code = one_time_code(PERSON)
    case.body = {**case.body, **phone.enrolment(code), "continues": None}


def _good_fork(case):
    """A third share a change with the old replica, a third say what they like under good signatures."""
    phone = Phone()
    share = _share(case, 3)
    if share == 0:
        case.body = {**case.body, **phone.fork_of(OLD)}
    elif share == 1:
        case.body = {**case.body, **phone.fork_of(OLD, case.body["last_common_seq"], bytes(range(32)))}
    else:
        case.body = {**case.body, "public_key": phone.fork_of(OLD)["public_key"]}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Bodies that are meant to be good get what only a phone can give."""
    if case.meta is None or not case.meta.generation.mode.is_positive or not isinstance(case.body, dict):
        return
    operation = case.operation.definition.raw.get("operationId")
    if operation == "enrol":
        _good_enrolment(case)
    elif operation == "fork":
        _good_fork(case)


def _signed(page_bytes_max, cursor_pos, scope_version, wants_token, app):
    return ME.sync_request(page_bytes_max, cursor_pos, scope_version, wants_token, app)


def _spoilt(data, place, byte):
    place %= len(data)
    return data[:place] + bytes([byte]) + data[place + 1 :]


_good = st.builds(
    _signed,
    st.integers(0, 2**32),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 1),
    st.text(max_size=20),
)
_bad = st.builds(_spoilt, _good, st.integers(0, 400), st.integers(0, 255))
schemathesis.openapi.media_type(SYNC_CONTENT_TYPE, st.one_of(_good, _bad, st.binary(max_size=4096)))
