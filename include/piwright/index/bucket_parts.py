"""Reads parts of one version of an object of a bucket; who puts another one there meanwhile gives nobody a mixture.

version = version_of(store.info(path))
read_part(store, path, range(0, 1000), version)      # raises `Replaced` once there is another one
"""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from fsspec.asyn import sync

_TRIES = 3
"""How often a part is asked for whose connection breaks. Where no answer begins, s3fs itself asks again."""


class Replaced(OSError):
    """The object is not the version any more that was asked for."""


def version_of(said: dict[str, Any]) -> str:
    """What tells one content of an object from another, of what the store says of it."""
    tag = said.get("ETag") or said.get("etag")
    return str(tag).strip('"') if tag else f"{int(_moment(said) * 1_000_000):x}-{said['size']:x}"


def modified_of(said: dict[str, Any]) -> int:
    """When the object was written, in seconds since 1970; 0 if the store does not say."""
    return int(_moment(said))


def _moment(said: dict[str, Any]) -> float:
    modified = said.get("LastModified") or said.get("mtime") or said.get("created") or 0
    return modified.timestamp() if isinstance(modified, datetime) else float(modified)


def read_part(store: Any, path: str, part: range, version: str) -> bytes:
    """These bytes of that version, or fewer at its end. Raises `Replaced`, and what the store raises."""
    if "s3" in store.protocol:
        return bytes(sync(store.loop, _read_s3, store, path, part, version))
    content = store.cat_file(path, start=part.start, end=part.stop)
    if version_of(store.info(path)) != version:  # asked after reading: then all of it was of that version
        raise _replaced(path)
    return bytes(content)


async def _read_s3(store: Any, path: str, part: range, version: str) -> bytes:
    from s3fs.core import S3_RETRYABLE_ERRORS

    bucket, key, _ = store.split_path(path)
    tries = _TRIES
    while True:
        tries -= 1
        asked = {"Range": f"bytes={part.start}-{part.stop - 1}", "IfMatch": f'"{version}"'}
        try:
            answer = await store._call_s3("get_object", Bucket=bucket, Key=key, **asked)
        except OSError as error:
            said = getattr(error.__cause__, "response", {}).get("ResponseMetadata", {})
            if said.get("HTTPStatusCode") == HTTPStatus.PRECONDITION_FAILED:
                raise _replaced(path) from error
            raise
        try:
            async with answer["Body"] as body:
                if version_of(answer) != version:  # of a store that knows no conditions
                    raise _replaced(path)
                return bytes(await body.read())
        except S3_RETRYABLE_ERRORS:
            if not tries:
                raise


def _replaced(path: str) -> Replaced:
    return Replaced(f"{path} was replaced while it was read")
