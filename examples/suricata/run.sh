#!/bin/sh
# Rebuild examples/suricata/eve.json.gz: captures, then Suricata itself, then packing. Needs suricata 7 and python3.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
python3 make_captures.py "$work" "$@"
TZ=UTC suricata -r "$work/office-day.pcap" -S office.rules -c suricata.yaml -l "$work" --runmode single
cp "$work/intrusion-flows.csv" intrusion-flows.csv
python3 pack_eve.py "$work/eve.json" eve.json.gz
