"""Measured quality: a value is never without n, interval, chance level and baseline."""
