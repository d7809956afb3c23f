"""A team's chain: a laptop takes results from the server's store, and the server from a bucket."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from tests.pipeline.test_fill import record


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """An empty bucket ``team`` of an s3 on this machine; the environment by which it is found."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
    found["AWS_DEFAULT_REGION"] = "us-east-1"
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("team")
    yield found
    server.stop()


def test_results_go_from_a_bucket_to_a_server_and_from_there_to_a_laptop(house, bucket: dict[str, str]) -> None:
    house.environment |= bucket
    house.run("run", "report")
    one, worked = record(house), house.worked()
    house.run("push", "s3://team/kdpipe")
    places = {name: house.root.parent / name for name in ("server", "laptop")}
    server, laptop = (
        dataclasses.replace(house, environment={**house.environment, "KDPIPE_STORE": str(place)}) for place in places.values()
    )
    told = server.run("run", "extract", "--upstream", "s3://team/kdpipe").stderr
    assert "sample: taken from upstream s3://team/kdpipe" in told and "done in" not in told
    told = laptop.run("run", "extract", "--upstream", str(places["server"])).stderr
    assert f"sample: taken from upstream {places['server']}" in told and "done in" not in told
    assert record(laptop)["object"] == record(server)["object"] == one["object"] and house.worked() == worked
    told = laptop.run("run", "report", "--upstream", str(places["server"])).stderr
    assert "sample" not in told and "report: done in" in told
