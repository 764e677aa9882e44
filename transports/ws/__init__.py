"""A front for browsers and Realtime clients: the page, HTTP and WebSockets on one port.

This module is light; what serves is imported when serving begins.
"""
