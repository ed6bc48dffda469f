"""A phone in a few lines: keys, enrolment, forks and the frame of a sync request, as docs/protocol.md has them.

Written from the document alone, so that it is a second reader of the protocol and not a copy of ours.
"""

import base64
import hashlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SYNC_CONTENT_TYPE = "application/vnd.gridwork.sync"
PIECE_CONTENT_TYPE = "application/offset+octet-stream"
ZERO_HASH = bytes(32)


def base64_url(data):
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def varint(number):
    """LEB128, lowest seven bits first."""
    out = bytearray()
    while True:
        low, number = number & 0x7F, number >> 7
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def zigzag(number):
    """A signed integer as an unsigned one."""
    return (number << 1) ^ (number >> 63)


def field(tag, value):
    """One field: integers in shape 0, bytes in shape 1."""
    if isinstance(value, int):
        return varint(tag << 1) + varint(value)
    return varint(tag << 1 | 1) + varint(len(value)) + value


def one_time_code(person):
    """A fresh enrolment code for a person, from the running server."""
    command = [os.environ["GRIDWORK_BIN"], "admin", "code", "--person", str(person), "--json"]
    said = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=20)
    return json.loads(said.stdout)["code"]


class Phone:
    """A replica with its key, and what the server told it when it enrolled."""

    def __init__(self):
        self.replica = uuid.uuid4()
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.answer = None
        self.request_no = 0
        self.token_at_s = float("-inf")

    def enrolment(self, code):
        """The body of `POST /v1/enrolments`."""
        proof = self.key.sign(b"gridwork/enrol/1" + code.encode() + self.replica.bytes + self.public_key)
        return {
            "code": code,
            "replica": str(self.replica),
            "public_key": base64_url(self.public_key),
            "proof": base64_url(proof),
        }

    def fork_of(self, old, last_common_seq=0, last_common_hash=ZERO_HASH):
        """The body of `POST /v1/forks`: this phone goes on for `old`. The defaults are true of one that has made no change yet."""
        message = b"gridwork/fork/1" + old.replica.bytes + self.replica.bytes + self.public_key
        message += last_common_seq.to_bytes(8, "big") + last_common_hash
        return {
            "old_replica": str(old.replica),
            "replica": str(self.replica),
            "public_key": base64_url(self.public_key),
            "last_common_seq": last_common_seq,
            "last_common_hash": base64_url(last_common_hash),
            "old_proof": base64_url(old.key.sign(message)),
            "proof": base64_url(self.key.sign(message)),
        }

    def enrol(self, server, person):
        """Enrols for a person and keeps the answer."""
        body = json.dumps(self.enrolment(one_time_code(person))).encode()
        self.answer = json.loads(post(server + "/v1/enrolments", "application/json", body))
        return self

    def sync_request(self, page_bytes_max=65536, cursor_pos=0, scope_version=0, wants_token=0, app="schemathesis"):
        """A signed request without changes."""
        self.request_no += 1
        fields = b"".join(
            [
                field(1, 1),
                field(2, uuid.UUID(self.answer["district"]).bytes),
                field(3, self.replica.bytes),
                field(4, self.request_no),
                field(7, zigzag(time.time_ns() // 1_000_000)),
                field(11, self.answer["epoch"]),
                field(12, scope_version),
                field(13, cursor_pos),
                field(21, wants_token),
                field(22, page_bytes_max),
                field(23, 1),
                field(24, app.encode()),
            ]
        )
        signature = self.key.sign(b"gridwork/sync/1" + fields)
        return b"GWQ1" + varint(len(fields)) + fields + signature

    def fresh_token(self, server):
        """An access token of now, by way of a sync request."""
        answer = post(server + "/v1/sync", SYNC_CONTENT_TYPE, self.sync_request(page_bytes_max=0, wants_token=1))
        return read_token(answer)

    def send_photo(self, server, data, metadata):
        """A whole picture in one request (tus creation-with-upload)."""
        headers = self._tus(server) | {"Upload-Length": str(len(data)), "Upload-Metadata": metadata}
        request = urllib.request.Request(server + "/v1/uploads", data, headers | {"Content-Type": PIECE_CONTENT_TYPE})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.headers["Upload-Offset"] == str(len(data))

    def begin_upload(self, server, size_bytes, metadata):
        """The id of an upload that nothing has come of yet."""
        headers = self._tus(server) | {"Upload-Length": str(size_bytes), "Upload-Metadata": metadata}
        request = urllib.request.Request(server + "/v1/uploads", headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.headers["Location"].rpartition("/")[2]

    def upload_offset(self, server, upload):
        """Where an upload stands; 0 when it is gone."""
        request = urllib.request.Request(f"{server}/v1/uploads/{upload}", headers=self._tus(server), method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return int(answer.headers["Upload-Offset"])
        except urllib.error.HTTPError:
            return 0

    def _tus(self, server):
        return {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {self.token(server)}"}

    def token(self, server):
        """An access token that is not yet old."""
        if time.monotonic() - self.token_at_s > 300:
            self._token, self.token_at_s = self.fresh_token(server), time.monotonic()
        return self._token


def metadata_of(data, media_type):
    """What tus calls metadata: two pairs."""
    pairs = {"sha256": hashlib.sha256(data).hexdigest(), "filetype": media_type}
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def read_token(answer):
    """Field 19 of a sync answer."""
    if answer[:4] != b"GWR1":
        raise ValueError("no sync answer")
    rest = answer[4:-8]
    while rest:
        tag, rest = read_varint(rest)
        number, rest = read_varint(rest)
        if tag & 1:
            value, rest = rest[:number], rest[number:]
            if tag >> 1 == 19:
                return value.decode()
    raise ValueError("the answer holds no token")


def read_varint(data):
    """The integer in front, and what follows it."""
    number = shift = 0
    for place, byte in enumerate(data):
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, data[place + 1 :]
    raise ValueError("an integer without an end")


def post(url, content_type, body):
    """One request to the server under test; a refusal is an exception."""
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()
