"""Severity: the CVSS v3.1 base vector and SSVC points that a vulnerability's description speaks for."""
