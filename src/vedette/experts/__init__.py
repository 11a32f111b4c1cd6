"""Embedded classifiers that answer in milliseconds on a CPU: weakness, severity, SSVC, techniques, embedding."""
