#!/usr/bin/env bash
# The whole path of what is built so far, in minutes on two cores: sample day → queue → label → second run → look things up,
# and, where the reference data is beside the repository, import knowledge → train → measure. Run it from anywhere after `make test` or `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
shared=${VEDETTE_SHARED:-../shared}
work=build/tour
vedette=.venv/bin/vedette

export VEDETTE_KNOWLEDGE=$work/knowledge.db

rm -rf "$work" && mkdir -p "$work"
.venv/bin/python examples/office_day.py --out "$work"
day=("$work/wazuh-alerts.json" "$work/suricata-eve.json" "$work/ecs-alerts.ndjson")
site=(--assets examples/assets.toml --exceptions examples/exceptions.toml --out "$work/site")

echo "== a day of alerts becomes a queue"
"$vedette" triage "${day[@]}" "${site[@]}" --top 5 --explain 1

echo "== what an analyst found out is kept"
first=$("$vedette" triage "${day[@]}" "${site[@]}" --format jsonl | .venv/bin/python -c \
  'import json, sys; print(json.loads(sys.stdin.readline())["id"])')
"$vedette" label attack "$first" --out "$work/site" --note "the intrusion of the sample day"

echo "== what is known about a technique, from the shipped facts"
"$vedette" knowledge show T1003.001
"$vedette" knowledge path T1003.001 mitigation --limit 3

if [ -d "$shared/data" ]; then
  echo "== everything that publishers say, imported; a question, a path, a signed bundle"
  "$vedette" knowledge import "$shared/data"
  "$vedette" knowledge search "dump credentials from lsass memory" --limit 3
  "$vedette" knowledge path CVE-2021-44228 mitigation --limit 3
  "$vedette" knowledge keygen "$work/keys"
  "$vedette" knowledge export "$work/pack.vkb" --sign "$work"/keys/*.key.pem
  "$vedette" knowledge verify
fi

if [ -d "$shared/data" ] && .venv/bin/python -c 'import scipy' 2>/dev/null; then
  echo "== weights learned from labelled alerts, and measured on networks left out"
  "$vedette" train triage "$shared/data/alerts/ait-ads-alerts-csv.zip" --benchmarks "$shared/data/bench" --out "$work/weights"
  .venv/bin/python bench/triage_quality.py --data "$shared/data/alerts/ait-ads-alerts-csv.zip" --out "$work/bench"
else
  echo "== training and measuring skipped: no data in '$shared', or no scipy (make train-test installs it)"
fi
