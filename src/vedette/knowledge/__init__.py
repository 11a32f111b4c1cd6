"""What is known, offline and dated."""
