"""Fail where the environment that runs this holds torch or more than the given number of megabytes."""

from __future__ import annotations

import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import vedette

NOT_OURS = ("pip", "setuptools", "_distutils_hack", "pkg_resources")  # the virtual environment brings them

limit_mb = int(sys.argv[1])
packages = Path(sysconfig.get_paths()["purelib"])
if not Path(vedette.__file__).is_relative_to(packages):
    sys.exit(f"vedette was imported from '{vedette.__file__}', not from the installed wheel")
if find_spec("torch"):
    sys.exit("the core brings torch")
size_mb = (
    sum(
        file.stat().st_size
        for entry in packages.iterdir()
        if not entry.name.startswith(NOT_OURS)
        for file in ([entry] if entry.is_file() else entry.rglob("*"))
        if file.is_file()
    )
    / 1e6
)
print(f"installed core: {size_mb:.0f} MB of {limit_mb} MB allowed")
sys.exit(size_mb > limit_mb)
