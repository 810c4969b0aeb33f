"""A real gateway whose bundle holds sealed data: it protects, goes to listed engines alone, and its
words stand nowhere on disk, in output or in answers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyrage import x25519

from gateway.bundles.archive import read_archive
from gateway.demo.workplace import TRUST_DOMAIN, build_policies, source_root
from tests.fakes.live_gateway import LiveGateway, proposals
from tests.fakes.sops import seal_sops

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(240)]

SECRET, NAME = "zephyr-l?dger", "zephyr-ledger-7"
VALUE = {"never_filter": [{"id": "sealed-1", "glob": f"{SECRET}-*", "reason": SECRET}]}
LISTED, OTHER = (f"spiffe://{TRUST_DOMAIN}/engine/{name}" for name in ("opa-1", "opa-2"))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    folder = tmp_path_factory.mktemp("sealed")
    gateway = LiveGateway.make(folder / "place")
    identity = (gateway.workplace.folder / "keys" / "age.txt").read_text().splitlines()[-1]
    policies = folder / "policies"
    shutil.copytree(source_root() / "policies", policies)
    (policies / "sealed" / "demo").mkdir(parents=True)
    sealed = seal_sops(VALUE, [x25519.Identity.from_str(identity)])
    (policies / "sealed" / "demo" / "data.sops.yaml").write_bytes(sealed)
    build_policies(gateway.workplace, policies)
    gateway.set("policies:\n", f"policies:\n  sealed_engines: ['{LISTED}']\n")
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


def assert_silent(found: bytes) -> None:
    assert SECRET.encode() not in found
    assert NAME.encode() not in found


def written(gateway: LiveGateway) -> Iterator[Path]:
    return (path for path in gateway.workplace.folder.rglob("*") if path.is_file())


def test_a_sealed_row_protects_and_is_named_by_its_id_alone(gateway: LiveGateway) -> None:
    asked = proposals([NAME, "log-shipper"])["proposals"]
    asked = [one | {"ref": ref} for one, ref in zip(asked, "ab", strict=True)]  # refs come back
    with gateway.client(gateway.collector("collector-1")) as client:
        answer = client.post("/v1/decisions", json={"proposals": asked})
        policy = client.get("/v1/policy")
    assert answer.status_code == 200, answer.text
    sealed, open_ = (answer.json()["verdicts"][place] for _, place in answer.json()["refs"])
    assert (sealed["action"], open_["action"]) == ("keep", "drop")
    assert "floor.sealed-1" in [reason["rule"] for reason in sealed["reasons"]]
    for content in (answer.content, policy.content):
        assert_silent(content)
    for path in written(gateway):
        assert_silent(path.read_bytes())


def test_a_listed_engine_is_given_it_and_another_is_not(gateway: LiveGateway) -> None:
    with gateway.client(gateway.enrol("engine/opa-1")) as client:
        answer = client.get("/bundles/policies.sealed")
    assert answer.status_code == 200, answer.text
    files = read_archive(answer.content)
    assert SECRET.encode() in files["sealed/demo/data.json"]
    with gateway.client(gateway.enrol("engine/opa-2")) as client:
        refused = client.get("/bundles/policies.sealed")
        assert client.get("/bundles/policies").status_code == 200
    assert refused.status_code == 403
    assert_silent(refused.content)
    denied = [entry for entry in gateway.entries() if entry.type == "denial"]
    assert [entry.actor for entry in denied] == [OTHER]


def test_a_bundle_sealed_for_somebody_else_serves_nobody(tmp_path: Path) -> None:
    gateway = LiveGateway.make(tmp_path / "place")
    policies = tmp_path / "policies"
    shutil.copytree(source_root() / "policies", policies)
    (policies / "sealed").mkdir()
    (policies / "sealed" / "data.sops.yaml").write_bytes(seal_sops(VALUE))
    build_policies(gateway.workplace, policies)
    gateway.begin()
    assert gateway.running.wait(60) != 0
    said = gateway.last_words()
    assert "sealed/data.sops.yaml: sops.age: none of its 1 data keys opens here" in said
    assert "Traceback" not in said
    assert_silent(gateway.output.read_bytes())
