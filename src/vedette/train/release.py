"""Train the triage model on all labelled scenarios and write it with its manifest."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import scipy

from vedette import manifest
from vedette.errors import ArtefactError, InputError
from vedette.overlap import Index
from vedette.skills.triage.model import Model
from vedette.train.decontaminate import check
from vedette.train.labelled import scenario_files, site
from vedette.train.triage import fit_model, is_attack

NAME = "triage-v1"


def release(archive: Path, benchmarks: Path, out: Path) -> Model:
    """Write `model.json` and, last, `manifest.json` into `out`. The same archive gives the same model.

    The only text that the model keeps is rules' names; they are compared with every item in `benchmarks`.
    """
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        files = scenario_files(archive, Path(folder))
        if len(files) < 3:
            raise InputError(
                f"{len(files)} labelled scenarios",
                where=str(archive),
                remedy="at least three are needed to hold one out",
            )
        sites = [site(path) for path in files]
        inputs = {path.name: path for path in files}
        model = fit_model(sites, NAME)
        report = check(Index(key.split("|", 1)[1] for key in model.history), benchmarks)
        if report.touched:
            raise ArtefactError(
                f"training touches {len(report.touched)} benchmark items, first {report.touched[0]}",
                where=str(archive),
                remedy="take those texts out of the training data",
            )
        manifest.atomic_write(out / "model.json", msgspec.json.format(msgspec.json.encode(model), indent=1) + b"\n")
        days = [day for s in sites for day in s.days]
        counts = {
            "scenarios": len(sites), "days": len(days), "signals": sum(len(d.signals) for d in days),
            "attack_signals": sum(is_attack(labels) for d in days for labels in d.labels), **report.counts(),
        }  # fmt: skip
        manifest.write(
            out / "manifest.json", inputs=inputs, outputs=["model.json"], counts=counts,
            versions={"numpy": np.__version__, "scipy": scipy.__version__},
        )  # fmt: skip
    return model
