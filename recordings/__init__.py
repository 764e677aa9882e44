"""The golden recordings, and how they are made."""
