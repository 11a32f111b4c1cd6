"""Weakness: which CWE a vulnerability is an instance of, and why."""
