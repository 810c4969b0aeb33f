"""The OPA configuration of docs/operations.md, given to a real OPA beside a real gateway."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.clock import SystemClock
from gateway.demo.workplace import TRUST_DOMAIN, source_root
from gateway.identity.authority import issue
from tests.fakes.bundles import real_opa
from tests.fakes.live_gateway import OPERATOR_URI, LiveGateway, live_gateway

pytestmark = [pytest.mark.opa, pytest.mark.slow, pytest.mark.timeout(240)]

ENGINE = f"spiffe://{TRUST_DOMAIN}/engine/opa-1"
PATIENCE_SECONDS = 60.0


def documented() -> dict[str, Any]:
    """The block of the page that says how it is started."""
    page = (source_root() / "docs" / "operations.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```yaml\n# opa run --server.*?\n(.*?)^```$", page, re.M | re.S)
    found: dict[str, Any] = yaml.safe_load(block)
    return found


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[LiveGateway]:
    with live_gateway(tmp_path / "place") as running:
        issue(running.workplace.folder / "keys", ENGINE, 2, SystemClock())
        yield running


def filled(gateway: LiveGateway) -> dict[str, Any]:
    """The page's configuration with this gateway's address and keys in place of the examples."""
    keys = gateway.workplace.folder / "keys"
    certificate, key = gateway.workplace.subject(ENGINE)
    config = documented()
    service = config["services"]["gateway"]
    service["url"] = gateway.workplace.url
    service["credentials"]["client_tls"] = {"cert": str(certificate), "private_key": str(key)}
    service["tls"] = {"ca_cert": str(keys / "ca.pem")}
    config["keys"]["author"]["key"] = (keys / "bundle.pub").read_text(encoding="utf-8")
    return config


def test_opa_takes_the_bundle_checks_its_signature_and_reports(
    gateway: LiveGateway, tmp_path: Path
) -> None:
    path = tmp_path / "opa.yaml"
    path.write_text(yaml.safe_dump(filled(gateway)), encoding="utf-8")
    command = [str(real_opa()), "run", "--server", "--addr=127.0.0.1:0", "--skip-version-check"]
    with (tmp_path / "opa.log").open("wb") as log:
        opa = subprocess.Popen([*command, f"--config-file={path}"], stdout=log, stderr=log)
    try:
        with gateway.client(OPERATOR_URI) as operator:
            reported = await_report(operator)
    finally:
        opa.kill()
        opa.wait()
    said = (tmp_path / "opa.log").read_text(encoding="utf-8")
    assert reported == {"wrong_revision": 0.0, "bundle_error": 0.0}, said[-1500:]


def await_report(operator: httpx.Client) -> dict[str, float]:
    """What the gateway's metrics say of the engine, once it says that all is well."""
    deadline, found = time.monotonic() + PATIENCE_SECONDS, dict[str, float]()
    while time.monotonic() < deadline:
        text = operator.get("/metrics").text
        lines = re.findall(rf'^gateway_engine_(\w+){{engine="{ENGINE}"}} (\S+)$', text, re.M)
        found = {name: float(value) for name, value in lines if name != "reported_seconds"}
        if found and not any(found.values()):
            break
        time.sleep(0.2)
    return found
