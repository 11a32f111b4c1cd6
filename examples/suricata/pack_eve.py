"""Pack Suricata's eve.json for the repository: `python pack_eve.py eve.json eve.json.gz`.

Records keep Suricata's order and values, less `pcap_cnt` and `pcap_filename`, which speak of the machine that ran it.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter
from pathlib import Path


def pack(source: Path, target: Path) -> Counter[str]:
    """Returns how many records of each event type were kept."""
    kinds: Counter[str] = Counter()
    with (
        source.open(encoding="utf-8") as lines,
        target.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=9, mtime=0) as out,
    ):
        for line in lines:
            record = json.loads(line)
            record.pop("pcap_cnt", None)
            record.pop("pcap_filename", None)
            kinds[record["event_type"]] += 1
            out.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    return kinds


if __name__ == "__main__":
    print(dict(pack(Path(sys.argv[1]), Path(sys.argv[2]))))
