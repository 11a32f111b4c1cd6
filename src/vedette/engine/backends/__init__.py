"""One module a backend; heavy libraries load here and nowhere else."""
