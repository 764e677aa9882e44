"""The model's side of a conversation: one plug-in a module."""
