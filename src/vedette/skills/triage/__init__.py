"""Triage: a day of raw alerts becomes a short, ranked queue of cases with reasons."""
