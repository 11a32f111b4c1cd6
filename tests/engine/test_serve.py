"""`vedette model serve` and `check` with a real, small model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("xllamacpp")
pytest.importorskip("gguf")

from . import tiny

pytestmark = pytest.mark.bench
START = [sys.executable, "-c", "from vedette.cli import main; main()", "model"]


def test_a_model_is_served_and_checked(tmp_path: Path) -> None:
    environment = {**os.environ, "VEDETTE_MODELS": str(tmp_path / "models")}
    tiny.write(tmp_path / "real.gguf")
    subprocess.run([*START, "add", str(tmp_path / "real.gguf")], env=environment, check=True, timeout=60)
    with subprocess.Popen([*START, "serve", "real"], stdout=subprocess.PIPE, env=environment) as server:
        try:
            assert server.stdout
            address = server.stdout.readline().decode().strip()
            assert address.startswith("http://127.0.0.1:")
            command = [*START, "check", address, "--json"]
            done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=600)
            server.send_signal(signal.SIGINT)
            assert server.wait(30) == 0
        finally:
            server.kill()
    assert done.returncode == 1, done.stderr  # it knows nothing
    found = {result["name"]: result for result in json.loads(done.stdout)["results"]}
    assert found["template"]["ok"]
    assert found["schema"]["ok"], found["schema"]
    assert not found["answers"]["ok"]
