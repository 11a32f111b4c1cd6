"""One simulated day of a small office: the parts of the generator. Entry point: `examples/office_day.py`."""
