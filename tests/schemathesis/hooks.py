"""What schemathesis cannot guess: tokens of a real replica, signatures, one-time codes, and the bytes of a sync request.

Environment: GRIDWORK_SERVER, GRIDWORK_PERSON (who asks), GRIDWORK_BIN and GRIDWORK_DATA (where codes come from), GRIDWORK_RECORD
(a report that names the photo), GRIDWORK_TOLD (where the count of answers goes).
"""

import atexit
import collections
import json
import os
import zlib

import schemathesis
from hypothesis import strategies as st
from phone import PIECE_CONTENT_TYPE, SYNC_CONTENT_TYPE, Phone, metadata_of, one_time_code
from photo import picture, sha256

SERVER = os.environ["GRIDWORK_SERVER"]
PERSON = int(os.environ["GRIDWORK_PERSON"])
# Making a code starts a process; so many codes a run are enough.
CODES_MAX = 60
# The grid of run.sh in which the work is.
GRID = 4

ME = Phone().enrol(SERVER, PERSON)
OLD = Phone().enrol(SERVER, PERSON)
if not ME.send_photo(SERVER, picture(), metadata_of(picture(), "image/png")):
    raise SystemExit("the photo was not taken")
PHOTO = picture()
_codes = 0
_shades = 0
_told = collections.defaultdict(collections.Counter)
# What parameters of paths may be, by their names, so that new paths with the same names find something.
_known = {"record": [os.environ["GRIDWORK_RECORD"]], "sha256": [sha256(PHOTO)], "upload": []}


@schemathesis.auth(refresh_interval=300)
class AccessToken:
    """The access token of an enrolled replica; it lives 15 minutes, so a long run asks for further ones."""

    def get(self, case, context):
        return ME.token(SERVER)

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
    held = [case.path_parameters, case.query, case.headers, case.body]
    return zlib.crc32(repr(held).encode()) % parts


def _new_picture():
    """One that nobody sent yet, and what tus calls its metadata."""
    global _shades
    _shades += 1
    data = picture(_shades)
    return data, metadata_of(data, "image/png")


def _good_path(case):
    """Three of four paths lead to something."""
    lead_on = _share(case, 4) != 0
    for name in case.path_parameters or {}:
        if name == "upload" and not _known[name]:
            data, metadata = _new_picture()
            _known[name].append(ME.begin_upload(SERVER, len(data), metadata))
        if lead_on and _known.get(name):
            case.path_parameters[name] = _known[name][-1]


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
        case.body = {**case.body, **phone.fork_of(OLD, int(case.body["last_common_seq"]), bytes(range(32)))}
    else:
        case.body = {**case.body, "public_key": phone.fork_of(OLD)["public_key"]}


def _good_upload(case):
    """Three of four begin the upload of a picture, with none of it, a part or all."""
    share = _share(case, 4)
    if share == 3:
        return
    data, metadata = _new_picture()
    case.headers = {**case.headers, "Upload-Length": str(len(data)), "Upload-Metadata": metadata}
    case.headers.pop("Upload-Checksum", None)
    case.body = data[: len(data) * share // 2]


def _good_piece(case):
    """A piece goes where the upload stands."""
    upload = case.path_parameters["upload"]
    if upload in _known["upload"]:
        case.headers = {**case.headers, "Upload-Offset": str(ME.upload_offset(SERVER, upload))}


def _good_change(case):
    """Three of four are a comment on the report with the photo, as the office writes one."""
    if _share(case, 4):
        text = f"看过了 {case.body['id'][:8]}"
        said = {"record": os.environ["GRIDWORK_RECORD"], "unit": GRID, "intent": "report.comment", "payload": {"text": text}}
        case.body = {"id": case.body["id"], **said}


def _good_days(case):
    """Three of four ask for a month."""
    if _share(case, 4):
        case.query = {**case.query, "from": "2026-11-01", "to": "2026-11-30"}


_GOOD = {
    "enrol": _good_enrolment,
    "fork": _good_fork,
    "create_upload": _good_upload,
    "append_upload": _good_piece,
    "make_change": _good_change,
    "patrol_coverage": _good_days,
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Requests that are meant to be good get what only a phone can give."""
    # Meant as bad, and harmless: a server reads past headers that it does not know. Without it the request is good.
    (case.headers or {}).pop("x-schemathesis-unknown-property", None)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    operation = case.operation.definition.raw.get("operationId")
    _good_path(case)
    if operation == "snapshot_segment" and "Range" in (case.headers or {}):
        # A part of a gzip file cannot be unpacked; this coding the tool leaves alone.
        case.headers["Accept-Encoding"] = "zstd"
    if (case.headers or {}).get("Upload-Checksum") == "0":
        # What the tool writes into a header that an answer named, whatever the document says of it.
        del case.headers["Upload-Checksum"]
    if operation in _GOOD:
        _GOOD[operation](case)
        # What a phone gives is as good as what was made up: the tool need not hold it against the schema once more.
        case._record_starting_state()


@schemathesis.hook
def after_call(context, case, response):
    """Counts what came back, and remembers what was made."""
    operation = case.operation.definition.raw.get("operationId")
    _told[operation][str(response.status_code)] += 1
    for place in response.headers.get("location", []):
        folder, _, name = place.rpartition("/")
        if folder == "/v1/uploads":
            _known["upload"].append(name)
    if operation == "end_upload" and case.path_parameters["upload"] in _known["upload"]:
        _known["upload"].remove(case.path_parameters["upload"])


@atexit.register
def _write_down():
    with open(os.environ["GRIDWORK_TOLD"], "w", encoding="utf-8") as file:
        json.dump(_told, file)


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
schemathesis.openapi.media_type(PIECE_CONTENT_TYPE, st.binary(max_size=4096))
