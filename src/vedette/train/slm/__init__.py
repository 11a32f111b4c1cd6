"""Language models: from the forge's rows to a model that serves."""
