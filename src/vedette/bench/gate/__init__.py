"""Whether a candidate may take the place of the model that answers today."""
