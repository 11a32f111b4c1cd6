"""Made-up machines, people, log lines, alerts, rules and configurations, of which the truth is known."""
