"""What the package may load, beyond what the import contracts in pyproject.toml can say."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

BUDGET_S = 0.3
HEAVY = ("torch", "transformers", "numpy", "scipy", "ray", "onnxruntime")
NETWORK_MODULES = ("urllib.request", "http.client", "http.server", "xmlrpc", "ftplib", "asyncio.streams")
NETWORK_PLACES = ("fetch.py", "engine/backends/openai.py", "connect/", "serve/")

MEASURE = """
import json, sys, time
start = time.perf_counter()
__import__(sys.argv[1])
print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))
"""


def measured_import(module: str) -> tuple[float, set[str]]:
    """Seconds of the best of three fresh interpreters, and every module that was loaded."""
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", MEASURE, module], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        runs.append(json.loads(done.stdout))
    return min(seconds for seconds, _ in runs), set(runs[0][1])


@pytest.mark.parametrize("module", ["vedette", "vedette.cli"])
def test_importing_is_quick_and_loads_nothing_heavy(module: str) -> None:
    seconds, loaded = measured_import(module)
    assert not loaded & set(HEAVY)
    assert seconds < BUDGET_S


def imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_submodules_that_open_connections_stay_where_they_may() -> None:
    import vedette

    package = Path(vedette.__file__).parent
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package).as_posix()
        if not relative.startswith(NETWORK_PLACES):
            wrong = {name for name in imported_names(path) if name.startswith(NETWORK_MODULES)}
            assert not wrong, f"{relative} imports {wrong}"
