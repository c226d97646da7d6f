"""Rules that order: what they see, their levels from service targets, one file a kind of rule."""
