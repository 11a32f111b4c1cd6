"""Pages on this machine: a small server for a person at this computer, and what it shows."""
