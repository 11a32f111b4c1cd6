"""Answers an analyst's question from the knowledge store, a case or a file, with citations, or says that it cannot."""
