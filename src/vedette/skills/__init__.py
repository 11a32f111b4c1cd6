"""What Vedette can do for a defender: one folder a skill, none imports another."""
