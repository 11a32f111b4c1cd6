"""Generative models: where they run."""
