"""A front that is a sound card: the person speaks into a microphone, and hears the model from a speaker.

This module is light; PortAudio and numpy are loaded when a conversation begins.
"""
