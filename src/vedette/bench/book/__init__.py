"""The knowledge store as a book in which answers are looked up, without a language model."""
