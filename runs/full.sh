#!/usr/bin/env bash
# The whole path at 4B, on one card of 80 GB: knowledge → forge → plan → pre-training → SFT → pairs → DPO → (GRPO) → merge
# → GGUF → benchmarks → gate → promote. Stopped, the same command goes on: what is finished is left as it is.
#
#   runs/full.sh [--run | --dry-run] [FOLDER of Qwen3-4B-Base]
#
# Without a graphics card, or with --dry-run: every command is parsed, every recipe loaded and planned, nothing is run.
# TEACHER and JUDGE (gguf/FILE, an address) rewrite the examples; GRPO=1 adds that stage; CARDS: how many share the work.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-.venv/bin/python}
program=${VEDETTE:-.venv/bin/vedette}
shared=${VEDETTE_SHARED:-../shared}/data
work=${WORK:-build/full}
recipe=recipes/qwen3-4b.toml
cards=${CARDS:-1}

has_card() { "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2> /dev/null; }
dry=true
if [ "${1:-}" = --run ]; then
	dry=false
elif [ "${1:-}" != --dry-run ] && has_card; then
	dry=false
fi
case ${1:-} in --run | --dry-run) shift ;; esac
base=${1:-}
if ! $dry && [ ! -f "$base/config.json" ]; then
	echo "full.sh: give the folder of Qwen3-4B-Base, as its publisher has it; nothing is downloaded here" >&2
	exit 2
fi
base=${base:-BASE}

step() { printf '\n== %s\n' "$1"; }

# One command: parsed in a dry run, else run.
vedette() {
	if $dry; then "$python" scripts/parsed.py "$@"; else "$program" "$@"; fi
}

# The same on every card.
on_cards() {
	if $dry || [ "$cards" = 1 ]; then
		vedette "$@"
	else
		"$python" -m torch.distributed.run --standalone --nproc-per-node "$cards" --no-python "$program" "$@"
	fi
}

# DONE COMMAND…: left out where the folder or file DONE is there already.
once() {
	local done=$1
	shift
	if ! $dry && [ -e "$done" ]; then echo "there already: $done"; else "$@"; fi
}

$dry || mkdir -p "$work"
export VEDETTE_KNOWLEDGE=$work/knowledge.db
benchmarks=$shared/bench
data=$work/data

step "what every recipe needs"
if $dry; then
	for file in recipes/*.toml; do
		if grep -q '^\[sft\]' "$file"; then
			printf '%s\n' "$file"
			"$program" train plan --recipe "$file" --gpu MI300X | sed '/^$/,$d'
		fi
	done
else
	vedette train plan --recipe "$recipe" --gpus "$cards" --out "$work"
fi

step "knowledge"
once "$work/knowledge.db" vedette knowledge import "$shared"
once "$work/keys" vedette knowledge keygen "$work/keys"

step "forge"
if [ -n "${TEACHER:-}" ] || $dry; then
	once "$data/manifest.json" vedette forge run --recipe recipes/forge-full.toml --teacher "${TEACHER:-gguf/TEACHER}" \
		--judge "${JUDGE:-}" --benchmarks "$benchmarks" --out "$data" --work "$work/forge.ledger"
fi
once "$data/manifest.json" vedette forge build --recipe recipes/forge-structure.toml --benchmarks "$benchmarks" --out "$data"
once "$work/texts/manifest.json" vedette train texts --benchmarks "$benchmarks" --out "$work/texts"
vedette train plan --recipe "$recipe" --data "$data" --gpus "$cards" --out "$work"

step "pre-training and SFT: every weight"
once "$work/pretrained/manifest.json" on_cards train pretrain --recipe "$recipe" --data "$work/texts" --base "$base" \
	--out "$work/pretrained" --work "$work/pretrained.work"
once "$work/sft/manifest.json" on_cards train sft --recipe "$recipe" --data "$data" --base "$work/pretrained" \
	--out "$work/sft" --work "$work/sft.work"

step "DPO: an adapter on pairs of its own mistakes"
once "$work/sft.gguf/manifest.json" vedette train export "$work/sft" --out "$work/sft.gguf" --quant Q8_0 --name sft
once "$work/pairs.jsonl" vedette train pairs --data "$data/train.jsonl" --model "gguf/$work/sft.gguf/sft-Q8_0.gguf" \
	--out "$work/pairs.jsonl"
once "$work/dpo/manifest.json" on_cards train dpo --recipe "$recipe" --pairs "$work/pairs.jsonl" --base "$work/sft" \
	--benchmarks "$benchmarks" --out "$work/dpo" --work "$work/dpo.work"
once "$work/model/config.json" vedette train merge "$work/dpo" --base "$work/sft" --out "$work/model"
model=$work/model

if [ -n "${GRPO:-}" ] || $dry; then
	step "GRPO: an adapter by exact rewards"
	once "$work/grpo/manifest.json" on_cards train grpo --recipe "$recipe" --data "$data/train.jsonl" --base "$model" \
		--benchmarks "$benchmarks" --out "$work/grpo" --work "$work/grpo.work"
	once "$work/rewarded/config.json" vedette train merge "$work/grpo" --base "$model" --out "$work/rewarded"
	model=$work/rewarded
fi

step "export"
key=$(find "$work/keys" -name '*.key.pem' 2> /dev/null | head -n 1 || true)
once "$work/gguf/manifest.json" vedette train export "$model" --out "$work/gguf" --name vedette-4b \
	--quant F16 --quant Q8_0 --quant Q4_0 --sign "${key:-KEY}"
once "$work/base.gguf/manifest.json" vedette train export "$base" --out "$work/base.gguf" --name base --quant Q8_0
candidate=$work/gguf/vedette-4b-Q8_0.gguf

step "benchmarks"
vedette bench run cti-rcm cti-mcq cti-vsp cti-ate --model "gguf/$candidate" --data "$shared" --out "$work/bench"
vedette bench run cti-rcm cti-mcq cti-vsp cti-ate --model "gguf/$work/base.gguf/base-Q8_0.gguf" --data "$shared" --out "$work/bench"
vedette bench run injection --model "gguf/$candidate" --places 2 --out "$work/bench"
vedette bench report "$work/bench"

step "gate, and promotion of what passes it"
vedette model gate "$candidate" --held-out "$data/dev.jsonl" --base "$work/base.gguf/base-Q8_0.gguf" --data "$shared" \
	--benchmark cti-rcm --out "$work/gate" --sign "${key:-KEY}"
vedette model promote "$candidate" --gate "$work/gate/gate.json" --key "$work/keys" --why "runs/full.sh"
vedette model history
