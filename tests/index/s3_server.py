"""An S3 server on a port of 127.0.0.1 (`moto`, in an environment of its own), with as many buckets as are asked for."""

import itertools
import subprocess
import time
import urllib.error
import urllib.request

import fsspec

from support.ports import free_port
from support.tools import tool


class S3Server:
    """Starts and stops with its block; `environment` is what clients need."""

    def __init__(self) -> None:
        self.port = free_port()
        self.environment = self.credentials(f"http://127.0.0.1:{self.port}")
        self._numbers = itertools.count()

    @staticmethod
    def credentials(endpoint: str) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def __enter__(self) -> "S3Server":
        command = [str(tool("moto[s3,server]>=5", "moto_server")), "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
        self.files = fsspec.filesystem(
            "s3",
            key="test",
            secret="test",
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            client_kwargs={"region_name": "us-east-1"},
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it; its buckets are gone."""
        self._process.kill()
        self._process.wait(30)

    def new_bucket(self) -> str:
        """The address of a place in a bucket of its own."""
        name = f"bucket-{next(self._numbers)}"
        self.files.call_s3("create_bucket", Bucket=name)
        return f"s3://{name}/index"

    def described(self, address: str, path: str) -> tuple[str, str, str]:
        """Content type, content encoding and the first words of the cache control of an object."""
        bucket, _, prefix = address.removeprefix("s3://").partition("/")
        head = self.files.call_s3("head_object", Bucket=bucket, Key=f"{prefix}/{path}")
        kept = head["CacheControl"].partition(", stale")[0]
        return head["ContentType"], head.get("ContentEncoding", ""), kept

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.environment["AWS_ENDPOINT_URL"], timeout=1).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True
