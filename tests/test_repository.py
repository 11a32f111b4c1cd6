"""Promises about the repository as a whole: its files, its locks, its wheel."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SKIPPED = {".git", ".venv", "build", "dist", "vedette-out", "__pycache__"}
TEXT = {".py", ".toml", ".md", ".txt", ".json", ".jsonl", ".ndjson", ".tsv", ".html", ".css", ".sh", ".yml", ".cfg", ""}
DATA = {".toml", ".tsv", ".json", ".jsonl", ".md", ".html", ".css", ".onnx", ".txt"}  # what the wheel has to hold

# Put together here, so that this file does not hold what it looks for.
HOSTS = re.compile("|".join(re.escape(".".join(parts)) for parts in (
    ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("conda", "anaconda"), ("huggingface", "co/datasets"),
)))  # fmt: skip
MACHINE_PATHS = re.compile(rf"(?<![\w.])/({'|'.join(['wo' + 'rk', 'fa' + 'rm', 'ro' + 'ot'])})/[\w.-]+")


def repository_files(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.name in SKIPPED or path.name.endswith("_cache") or path.is_symlink():
            continue
        if path.is_dir() and path.name != ".hypothesis":
            yield from repository_files(path)
        elif path.is_file():
            yield path


def test_no_file_names_a_registry_or_a_path_of_one_machine(root: Path) -> None:
    wrong = []
    for path in repository_files(root):
        if path.suffix in TEXT:
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
                if found := HOSTS.search(line) or MACHINE_PATHS.search(line):
                    wrong.append(f"{path.relative_to(root)}:{number}: {found[0]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line", ["see /" + "work/main", "/" + "root/.cache", "https://" + "pypi" + ".org/simple", "'/" + "farm/x'"]
)
def test_the_search_finds_what_it_looks_for(line: str) -> None:
    assert HOSTS.search(line) or MACHINE_PATHS.search(line)


@pytest.mark.parametrize("line", ["framework/x", "the root/leaf", "https://example.com/work/1", "/root"])
def test_the_search_leaves_the_rest_alone(line: str) -> None:
    assert not HOSTS.search(line)
    assert not MACHINE_PATHS.search(line)


def test_there_is_no_lock_that_names_a_registry(root: Path) -> None:
    assert not (root / "uv.lock").exists()


def test_every_toml_file_parses(root: Path) -> None:
    found = [path for path in repository_files(root) if path.suffix == ".toml"]
    assert root / "pyproject.toml" in found
    for path in found:
        tomllib.loads(path.read_text(encoding="utf-8"))


def locked_versions(lock: Path) -> dict[str, set[str]]:
    """name → the versions that are locked for some Python."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.M):
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


LOCKS = {  # name → extras and groups that it holds beside what Vedette always needs
    "run": (),
    "dev": ("dev",),
    "fit": ("fit",),
    "forge": ("forge", "scale"),
    "bench": ("bench", "slm", "models"),
    "train": ("train", "qlora", "slm"),
}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_floor_is_met_by_the_lock(root: Path, lock: str) -> None:
    pyproject = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    known = pyproject["project"]["optional-dependencies"] | pyproject["dependency-groups"]
    floors = [*pyproject["project"]["dependencies"], *(floor for name in LOCKS[lock] for floor in known[name])]
    locked = locked_versions(root / "requirements" / f"{lock}.txt")
    for floor in map(Requirement, floors):
        assert floor.specifier, f"{floor} has no floor"
        for version in locked[canonicalize_name(floor.name)]:
            assert floor.specifier.contains(version), f"{floor} is locked at {version}"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes_and_nothing_else(root: Path, lock: str) -> None:
    text = re.sub(r"\\\n\s*", "", (root / "requirements" / f"{lock}.txt").read_text(encoding="utf-8"))
    for line in text.splitlines():
        if not line.startswith("#"):
            assert re.fullmatch(r"[\w.-]+==\S+( ; [^#]+?)? *(--hash=sha256:[0-9a-f]{64} *)+", line), line


def test_the_locks_agree(root: Path) -> None:
    locks = {lock: locked_versions(root / "requirements" / f"{lock}.txt") for lock in LOCKS}
    run, one_platform = locks.pop("run"), locks.pop("train")  # which has no versions for others
    for other in locks.values():
        assert all(other.get(name) == versions for name, versions in run.items())
    for other in (run, locks["fit"], locks["bench"]):
        assert all(one_platform[name] <= other[name] for name in other.keys() & one_platform.keys())


def test_the_installed_package_holds_every_data_file(root: Path) -> None:
    """Runs against the source tree in `make test` and against the built wheel in `make wheel-check`."""
    package = root / "src" / "vedette"
    for path in repository_files(package):
        if path.suffix in DATA:
            resource = files("vedette").joinpath(*path.relative_to(package).parts)
            assert resource.is_file(), f"{path.relative_to(root)} is not in the installed package"
            assert resource.read_bytes() == path.read_bytes()


def test_every_target_of_make_is_explained(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY: (.+)$", makefile, re.M)
    targets = {name for line in phony for name in line.split()}
    assert targets == set(re.findall(r"^([\w-]+):.*## \S", makefile, re.M))
    assert {"demo", "test", "check", "wheel-check", "lock", "help"} <= targets
