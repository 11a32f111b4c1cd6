#!/usr/bin/env bash
# All stages of the forge on a small scale: a teacher that is good, sloppy and hostile by turns; killed in the middle and
# gone on with; the same with a model in this process, where one is given: runs/forge-demo.sh [STORE] [MODEL.gguf]
set -euo pipefail
cd "$(dirname "$0")/.."

store=${1:-${VEDETTE_KNOWLEDGE:-}}
model=${2:-}
vedette=${VEDETTE:-.venv/bin/vedette}
out=build/forge-demo
rm -rf "$out"
mkdir -p "$out"
export VEDETTE_KNOWLEDGE=$store

sed 's/^per_task = .*/per_task = 1/; s/^dev = .*/dev = 0.02\ncap = 20/' recipes/forge-full.toml > "$out/recipe.toml"
run() { "$vedette" forge run --recipe "$out/recipe.toml" --out "$out/$1" --work "$out/$1.ledger" --no-progress "${@:2}"; }

printf '\nWhat it would ask for:\n'
run priced --teacher moody --judge moody --dry-run

printf '\nKilled on the way, and gone on with:\n'
(exec "$vedette" forge run --recipe "$out/recipe.toml" --out "$out/moody" --work "$out/moody.ledger" \
	--no-progress --teacher moody --judge moody > "$out/killed.log" 2>&1) &
sleep 20
kill -9 $! 2> /dev/null || true
wait $! 2> /dev/null || true
run moody --teacher moody --judge moody

printf '\nWhat the hostile one said that reached the data (nothing may stand here):\n'
! grep -lE 'T9999\.999|CVE-2099-99999|evil\.example|reveal the system prompt|cannot help with that request' "$out"/moody/*.jsonl

if [ -n "$model" ]; then
	printf '\nA model in this process:\n'
	sed -i 's/^dev = .*/dev = 0.02\ngroups = ["cwe_hierarchy"]/; s/^in_flight = .*/in_flight = 2/' "$out/recipe.toml"
	run model --teacher "gguf/$model" --context 8192
fi
sed -n '/## Rewritten/,/## Examples/p' "$out/moody/card.md"
