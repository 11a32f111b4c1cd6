"""One module a family of benchmarks: from its published files to items."""
