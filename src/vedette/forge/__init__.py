"""Instruction data: from the knowledge store, by tasks, formats, grounding, reasoning and judging."""
