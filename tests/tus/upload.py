"""Uploads the files of a list with tuspy, over a link that breaks: until each is whole, or so often in vain that it says so.

usage: upload.py URL TOKEN LIST      LIST: JSON, [{"path", "sha256", "media_type"}]
"""
import json
import sys
import time

import requests
from tusclient import client
from tusclient.exceptions import TusCommunicationError, TusUploadFailed

ATTEMPTS_MAX = 60
PAUSE_S = 0.1
# Small, so that a file takes several requests.
CHUNK_BYTES = 40_000


def upload(tus, item, with_checksum):
    """Goes on where the server says that the upload stands, each time anew."""
    url = None
    broken = 0
    while True:
        try:
            uploader = tus.uploader(
                item["path"],
                url=url,
                chunk_size=CHUNK_BYTES,
                retries=3,
                retry_delay=0.02,
                metadata={"sha256": item["sha256"], "filetype": item["media_type"]},
                upload_checksum=with_checksum,
            )
            if url is None:
                url = uploader.create_url()
                uploader.set_url(url)
            uploader.upload()
            return broken
        except (TusCommunicationError, TusUploadFailed, requests.RequestException) as error:
            broken += 1
            status = getattr(error, "status_code", None)
            if broken >= ATTEMPTS_MAX or status in (401, 403, 413, 422, 429):
                raise
            # A server that was killed needs a moment.
            time.sleep(PAUSE_S)


def main():
    address, token, path = sys.argv[1:]
    tus = client.TusClient(address, headers={"Authorization": "Bearer " + token})
    with open(path, encoding="utf-8") as file:
        items = json.load(file)
    broken = sum(upload(tus, item, index % 2 == 0) for index, item in enumerate(items))
    print(json.dumps({"client": "tuspy", "files": len(items), "broken": broken}))


if __name__ == "__main__":
    main()
