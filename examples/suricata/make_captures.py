"""Write the office's network day as a capture file: `python make_captures.py OUT_DIR [--seed 7]`.

`office-day.pcap` is for Suricata (see run.sh); `intrusion-flows.csv` names the intruder's flows: the ground truth.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from office.network_attack import STEPS, Intruder, IntrusionFlow
from office.network_noise import MAKERS
from office.packets import Capture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cap = Capture(args.seed)
    for number, make in enumerate(MAKERS):
        make(cap, Random(f"{args.seed}/noise/{number}"))
    intruder = Intruder(cap, Random(f"{args.seed}/intrusion"))
    for step in STEPS:
        step(intruder)
    packets = cap.write(args.out / "office-day.pcap")
    with (args.out / "intrusion-flows.csv").open("w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(IntrusionFlow._fields)
        writer.writerows(intruder.flows)
    print(f"{packets} packets, {len(intruder.flows)} flows of the intrusion")


if __name__ == "__main__":
    main()
