"""What attackers would write to a model, where they could write it, and whether it gets them anything."""
