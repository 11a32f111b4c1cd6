"""Vedette: a small, local cybersecurity expert for defenders."""

__version__ = "0.1.0"
