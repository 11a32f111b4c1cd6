"""Training: from labelled data to shipped weights."""
