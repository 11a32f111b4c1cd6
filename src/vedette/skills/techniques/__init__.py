"""Techniques: which ATT&CK techniques a text tells of, and where it says so."""
